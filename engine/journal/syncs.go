package journal

import (
	"sync/atomic"
	"time"
)

// Syncs counts the writes of a log that became durable, and the time that they took. It is safe for concurrent use.
type Syncs struct{ n, took atomic.Int64 }

func (s *Syncs) add(took time.Duration) {
	s.n.Add(1)
	s.took.Add(int64(took))
}

// Syncs returns how many writes of this process became durable, and how long they took together.
func (l *Log) Syncs() (n int64, took time.Duration) {
	return l.syncs.n.Load(), time.Duration(l.syncs.took.Load())
}
