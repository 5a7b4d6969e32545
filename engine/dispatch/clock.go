package dispatch

import (
	"time"
)

// clocks is the wall clock beside the monotonic one. Windows go by the wall clock: one
// that was set wrong, or set right, opens and closes them at the wrong moment.
type clocks struct {
	wall time.Time     // without a monotonic reading
	ran  time.Duration // of the monotonic clock, since the run began
}

// mostStepped is how far the clocks may part, all in all, before a person is to look.
const mostStepped = 60 * time.Second

// stepped is how far the wall clock has left the monotonic one since it was known to be
// right; 0 while that is less than a minute. It is pure.
func stepped(was, is clocks) time.Duration {
	off := is.wall.Sub(was.wall) - (is.ran - was.ran)
	if off.Abs() <= mostStepped {
		return 0
	}
	return off
}
