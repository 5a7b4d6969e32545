//go:build race

package dispatch

// slowed says that the race detector is on: it takes much longer.
const slowed = true
