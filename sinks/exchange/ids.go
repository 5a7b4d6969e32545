package exchange

import (
	"sync"

	"cohort/engine"
)

// IsID reports whether a text may be a service's id of a message: at most 64 characters of
// printable ASCII, without blanks. Ids go into the log and the report.
func IsID(text []byte) bool {
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 64
}

// IDs detects a service that gives one id to several messages. The zero value is ready. It is
// safe for concurrent use.
type IDs struct {
	mu     sync.Mutex
	latest string
	of     engine.Reference
}

// Repeats notes the id of a message, and reports whether the message before had the same.
func (s *IDs) Repeats(id string, of engine.Reference) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	repeats := s.latest == id && s.of != of
	s.latest, s.of = id, of
	return repeats
}
