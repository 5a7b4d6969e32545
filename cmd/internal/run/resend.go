package run

import (
	"context"
	"time"
)

// clockKey is under which a context has another clock than the machine's.
type ClockKey struct{}

// clockOf is the clock to go by: the machine's, unless a test has set another.
func ClockOf(ctx context.Context) func() time.Time {
	if clock, ok := ctx.Value(ClockKey{}).(func() time.Time); ok {
		return clock
	}
	return time.Now
}
