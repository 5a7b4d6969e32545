package ledger

import (
	"testing"
	"time"
)

// The round number above what it takes is never so round that it falls short.
func TestFinishing(t *testing.T) {
	for _, messages := range []int64{0, 1, 7, 12_345, 3_400_000} {
		for _, span := range []time.Duration{time.Minute, 7 * time.Hour} {
			rate := finishing(messages, span, 0)
			if needs := float64(messages) / span.Seconds(); rate < needs || rate > needs+0.0011 {
				t.Errorf("%d in %s: %v a second", messages, span, rate)
			}
		}
	}
}
