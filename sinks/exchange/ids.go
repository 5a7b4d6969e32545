package exchange

import (
	"bytes"
	"sync"

	"cohort/engine"
)

// IsID reports whether a text may be the id that a service gives to a message: at most 64
// characters of printable ASCII without blanks. It goes into the log and the report.
func IsID(text []byte) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	return len(text) > 0 && len(text) <= 64 && !bytes.ContainsFunc(text, odd)
}

// IDs notices a service that gives the same id to one message after the other. The zero value
// is ready. It is safe for concurrent use.
type IDs struct {
	mu     sync.Mutex
	latest string
	of     engine.Reference
}

// Repeats notes the id of a message, and reports whether another message had it just before.
func (s *IDs) Repeats(id string, of engine.Reference) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	repeats := s.latest == id && s.of != of
	s.latest, s.of = id, of
	return repeats
}
