package pace

import (
	"time"
)

const (
	firstBackoff = time.Second
	mostBackoff  = 5 * time.Minute
)

// Backoff is how long to wait before the n-th repetition, n from 1: anything up to a
// span that doubles from one second to five minutes. jitter, from 0 to 1, says where
// in that span, so that many waits that began together do not end together.
func Backoff(n int, jitter float64) time.Duration {
	span := mostBackoff
	if n < 9 {
		span = min(span, firstBackoff<<max(0, n-1))
	}
	return time.Duration(jitter * float64(span))
}
