//go:build race

package engine

// slowed says that the race detector is on, which takes its time.
const slowed = true
