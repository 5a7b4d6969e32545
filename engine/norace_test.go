//go:build !race

package engine

const slowed = false
