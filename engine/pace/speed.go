package pace

import (
	"sync"
	"time"
)

// Speed measures how fast something goes, over the last half minute or so. Its zero value is
// ready. It is safe for concurrent use.
type Speed struct {
	mu   sync.Mutex
	seen []sample
}

type sample struct {
	at time.Time
	n  int64
}

// How far back a speed looks: further when nothing has come since, as between large batches.
const (
	speedOver   = 30 * time.Second
	speedAtMost = 2 * time.Minute
)

func (s *Speed) Add(at time.Time, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, sample{at, n})
	for len(s.seen) > 2 {
		age := at.Sub(s.seen[0].at)
		if grows := s.seen[1].n < n; age <= speedOver || !grows && age <= speedAtMost {
			break
		}
		s.seen = s.seen[1:]
	}
}

// PerSecond returns the speed; 0 before the second Add.
func (s *Speed) PerSecond() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) < 2 {
		return 0
	}
	first, last := s.seen[0], s.seen[len(s.seen)-1]
	return float64(last.n-first.n) / max(last.at.Sub(first.at).Seconds(), 0.001)
}
