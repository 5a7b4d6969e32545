//go:build !race

package dispatch

const slowed = false
