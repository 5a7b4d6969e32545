package simulator

import (
	"net/http"
	"strconv"
	"sync"
)

// Stats counts what a Server has seen since it was made.
type Stats struct {
	Requests int            `json:"requests"` // to the API and the token endpoint
	ByStatus map[string]int `json:"byStatus"` // HTTP status, or cut_201, reset, unanswered
	Faults   map[string]int `json:"faults"`   // by name; poisoned_recipients counts rows

	BatchesAccepted  int `json:"batchesAccepted"`
	SinglesAccepted  int `json:"singlesAccepted"`
	Communications   int `json:"communicationsAccepted"` // by the NHS App
	MessagesAccepted int `json:"messagesAccepted"`
	People           int `json:"people"`          // distinct NHS numbers accepted
	PeopleTwice      int `json:"peopleTwice"`     // of those, accepted more than once
	ReferencesTwice  int `json:"referencesTwice"` // message references accepted more than once

	MostMessagesInOneSecond int `json:"mostMessagesInOneSecond"`
	LargestBody             int `json:"largestBody"`
	MostConcurrent          int `json:"mostConcurrent"`

	Duplicates            int `json:"duplicates"`            // decided 422
	TooEarly              int `json:"tooEarly"`              // decided 425, fault plan apart
	RequestsAfterAnswer   int `json:"requestsAfterAnswer"`   // replays of a reference whose whole 201 went out
	RequestsAfter422      int `json:"requestsAfter422"`      // replays of a reference whose 422 went out
	ReplaysWithOtherBody  int `json:"replaysWithOtherBody"`  // replays whose bytes were not the first request's
	ReplaysBeforeTheirDue int `json:"replaysBeforeTheirDue"` // replays within the Retry-After of a 425
}

// Stats are the counters as they stand.
func (s *Server) Stats() Stats {
	out := Stats{Faults: s.dice.injected()}
	s.tally.into(&out)
	s.ledger.into(&out)
	return out
}

func (l *ledger) into(out *Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.totals
	out.BatchesAccepted, out.SinglesAccepted, out.Communications, out.MessagesAccepted = t.batches, t.singles, t.communications, t.messages
	out.People, out.PeopleTwice, out.ReferencesTwice = len(l.people), t.peopleTwice, t.referencesTwice
	out.MostMessagesInOneSecond = t.mostSecond
	out.Duplicates, out.TooEarly = t.duplicates, t.inFlight
	out.RequestsAfterAnswer, out.RequestsAfter422 = t.afterAnswer, t.afterDuplicate
	out.ReplaysWithOtherBody, out.ReplaysBeforeTheirDue = t.otherBody, t.beforeRetryAfter
}

func (s *Server) serveStats(w http.ResponseWriter) {
	w.Header().Set("Content-Type", plainJSON)
	_, _ = w.Write(append(encodeJSON(s.Stats()), '\n'))
}

// tally counts requests. Safe for concurrent use.
type tally struct {
	mu          sync.Mutex
	requests    int
	byStatus    map[string]int
	open, most  int
	largestBody int
}

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	t.open++
	t.most = max(t.most, t.open)
}

func (t *tally) end() {
	t.mu.Lock()
	t.open--
	t.mu.Unlock()
}

func (t *tally) body(size int) {
	t.mu.Lock()
	t.largestBody = max(t.largestBody, size)
	t.mu.Unlock()
}

func (t *tally) answer(rep reply) {
	name := strconv.Itoa(rep.status)
	switch rep.manner {
	case cut:
		name = "cut_" + name
	case reset:
		name = "reset"
	case unspoken:
		name = "unanswered"
	}
	t.mu.Lock()
	t.byStatus[name]++
	t.mu.Unlock()
}

func (t *tally) into(out *Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out.Requests, out.LargestBody, out.MostConcurrent = t.requests, t.largestBody, t.most
	out.ByStatus = make(map[string]int, len(t.byStatus))
	for name, n := range t.byStatus {
		out.ByStatus[name] = n
	}
}
