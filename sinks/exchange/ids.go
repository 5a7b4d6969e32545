package exchange

import (
	"sync"

	"cohort/engine"
)

// mostID is how long an id may be.
const mostID = 64

// IsID reports whether a text may be the id that a service gives to a message: printable
// ASCII without blanks. It goes into the log and the report.
func IsID[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= mostID
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
