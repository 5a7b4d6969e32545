package run

import (
	"context"
	"time"
)

// ClockKey is the key of a context's own clock. Only tests set one.
type ClockKey struct{}

// ClockOf returns the clock to go by: the machine's, unless a test has set another.
func ClockOf(ctx context.Context) func() time.Time {
	if clock, ok := ctx.Value(ClockKey{}).(func() time.Time); ok {
		return clock
	}
	return time.Now
}
