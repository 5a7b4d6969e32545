package engine

import (
	"math"
	"slices"
	"time"
)

// PoolSize is how many requests must be under way at once, by Little's law: as many
// as start in the time that one takes, twice over for comfort and one for the request
// being built, between 2 and ceiling. requests is how many start a second; 0 means
// as fast as the service takes them, and asks for the ceiling.
func PoolSize(requests float64, latency time.Duration, ceiling int) int {
	if requests <= 0 {
		return ceiling
	}
	need := math.Ceil(2*requests*latency.Seconds()) + 1
	return int(min(max(need, 2), float64(ceiling)))
}

// latencies keeps the latest answers' latencies. Its zero value is ready.
type latencies struct {
	ring [128]time.Duration
	n    int
}

func (l *latencies) add(d time.Duration) {
	l.ring[l.n%len(l.ring)] = d
	l.n++
}

// p95 is the latency that 95 of 100 of the latest answers kept under; a second when
// there was none yet.
func (l *latencies) p95() time.Duration {
	if l.n == 0 {
		return time.Second
	}
	sorted := slices.Clone(l.ring[:min(l.n, len(l.ring))])
	slices.Sort(sorted)
	return sorted[len(sorted)*95/100]
}
