//go:build !race

package shard_test

// slowed says that the race detector is on, which has its own memory and takes its time.
const slowed = false
