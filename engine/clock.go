package engine

import "time"

// clocks is the wall clock beside the monotonic one. Windows go by the wall clock: one
// that was set wrong, or set right, opens and closes them at the wrong moment.
type clocks struct {
	wall time.Time     // when it was last seen, without a monotonic reading
	ran  time.Duration // of the monotonic clock, since the run began
}

// mostStepped is how far the clocks may part between two looks: more is no drift.
const mostStepped = 60 * time.Second

// stepped is how far the wall clock has left the monotonic one between two looks at
// both; 0 while it is less than a minute. It is pure.
func stepped(was, is clocks) time.Duration {
	off := is.wall.Sub(was.wall) - (is.ran - was.ran)
	if off.Abs() <= mostStepped {
		return 0
	}
	return off
}
