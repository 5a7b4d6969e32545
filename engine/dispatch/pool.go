package dispatch

import (
	"math"
	"slices"
	"time"
)

// pool is the number of requests that may be under way at once, and when it was computed.
type pool struct {
	size int
	at   time.Time
}

// poolNap is the lifetime of a computed size.
const poolNap = 10 * time.Millisecond

func (r *run) poolSize(now time.Time) int {
	if r.health.probing {
		return 1
	}
	if r.pool.size == 0 || now.Sub(r.pool.at) >= poolNap {
		rate, share := r.gate.Allowed(now)
		ceiling := max(1, int(float64(r.job.Ceiling)*share))
		r.pool = pool{poolSize(rate/float64(max(1, r.job.Plan.Largest)), r.latency.p95(), ceiling), now}
	}
	return r.pool.size
}

// poolSize returns how many requests must be under way at once, by Little's law: twice as
// many as start in the time that one takes, and one that is being built, between 2 and
// ceiling. requests start a second; 0 has no limit and needs the ceiling.
func poolSize(requests float64, latency time.Duration, ceiling int) int {
	if requests <= 0 {
		return ceiling
	}
	need := math.Ceil(2*requests*latency.Seconds()) + 1
	return int(min(max(need, 2), float64(ceiling)))
}

// latencies keeps the latencies of the latest answers. Its zero value is ready.
type latencies struct {
	ring [128]time.Duration
	n    int
}

func (l *latencies) add(d time.Duration) {
	l.ring[l.n%len(l.ring)] = d
	l.n++
}

// Latency holds percentiles of the latest answers' latencies. It is zero before the first answer.
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

// p95 is the 95th percentile; a second before the first answer.
func (l *latencies) p95() time.Duration {
	if l.n == 0 {
		return time.Second
	}
	return l.spread().P95
}
