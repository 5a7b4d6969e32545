package dispatch

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
	ring  [128]time.Duration
	n     int
	known int           // of how many answers p95 was worked out last
	last  time.Duration // what it was
}

func (l *latencies) add(d time.Duration) {
	l.ring[l.n%len(l.ring)] = d
	l.n++
}

// Latency is how long the latest answers took: that 50, 95 and 99 of 100 of them kept
// under. It is zero while there was none.
type Latency struct{ P50, P95, P99 time.Duration }

func (l *latencies) spread() Latency {
	if l.n == 0 {
		return Latency{}
	}
	sorted := slices.Clone(l.ring[:min(l.n, len(l.ring))])
	slices.Sort(sorted)
	at := func(percent int) time.Duration { return sorted[len(sorted)*percent/100] }
	return Latency{at(50), at(95), at(99)}
}

// p95 is what 95 of 100 of the latest answers kept under; a second when there was none
// yet.
func (l *latencies) p95() time.Duration {
	if l.n == 0 {
		return time.Second
	}
	// It is asked for far more often than there are answers, and changes little with one.
	if l.n-l.known > min(l.known/8, 16) {
		sorted := l.ring
		latest := sorted[:min(l.n, len(sorted))]
		slices.Sort(latest)
		l.known, l.last = l.n, latest[len(latest)*95/100]
	}
	return l.last
}
