package pace

import "time"

const (
	firstBackoff = time.Second
	mostBackoff  = 5 * time.Minute
)

// Backoff returns the wait before the n-th repetition, n from 1. The longest wait doubles from one second to five
// minutes. jitter, from 0 to 1, is the part of it to wait: requests that failed together must not come back together.
func Backoff(n int, jitter float64) time.Duration {
	longest := mostBackoff
	if n < 9 {
		longest = firstBackoff << max(0, n-1)
	}
	return time.Duration(jitter * float64(longest))
}
