package ledger

import (
	"net/http"
	"slices"
	"time"

	"cohort/engine/plan"
	"cohort/engine/record"
)

// Traffic counts what the requests of a run came back with, over all its starts. No figure ever gets smaller, but a
// lost log takes its figures with it.
type Traffic struct {
	Results     Results    `json:"results"`
	Answers     []Answers  `json:"answers,omitempty"`     // by status and code, in the order of their first; at most mostCodes
	Refused     []Answers  `json:"refused,omitempty"`     // messages by the code of their refusal; a Status is 0
	Halts       []Answers  `json:"halts,omitempty"`       // times that the run stopped itself, by cause; a Status is 0
	Messages    uint64     `json:"messages"`              // in the requests that came to an end
	Millis      uint64     `json:"millis"`                // that answered requests took, from the attempt in the log on
	Took        [12]uint64 `json:"took"`                  // answered requests, by the first of TookBounds that they kept; the last: by none
	Accepted    []uint64   `json:"accepted"`              // messages by route, in the order of the plan; one figure without routes
	AcceptedAt  time.Time  `json:"accepted_at,omitzero"`  // of the latest acceptance, in whole milliseconds
	ReachableAt time.Time  `json:"reachable_at,omitzero"` // of the latest answer, likewise
}

// Results counts requests by their end.
type Results struct {
	Accepted   uint64 `json:"accepted"`
	Duplicate  uint64 `json:"duplicate"`  // the service has the reference
	Throttled  uint64 `json:"throttled"`  // 429 and 503: every request has to wait
	Refused    uint64 `json:"refused"`    // every other answer
	Unanswered uint64 `json:"unanswered"` // none: lost, cut off, or it never left this machine
}

// Answers counts answers with one status and code.
type Answers struct {
	Status int    `json:"status,omitempty"`
	Code   string `json:"code"` // the service's, or one of ours; Other for all beyond the first mostCodes
	N      uint64 `json:"n"`
}

// TookBounds are the upper bounds of Traffic.Took, inclusive.
var TookBounds = [11]time.Duration{
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// A service may give any number of codes. Traffic tells the first of them apart.
const (
	mostCodes = 39 // and Other
	Other     = "other"
)

// Traffic returns what the requests came back with. It shares nothing with the ledger.
func (l *Ledger) Traffic() Traffic {
	t := l.traffic.clone()
	for i := range l.totals {
		t.Accepted = append(t.Accepted, l.totals[i].accepted)
	}
	return t
}

func (t *Traffic) clone() Traffic {
	c := *t
	c.Answers, c.Refused, c.Halts = slices.Clone(t.Answers), slices.Clone(t.Refused), slices.Clone(t.Halts)
	return c
}

// tally adds n to the answers with a status and a code.
func tally(all *[]Answers, status int, code string, n uint64) {
	for i := range *all {
		if a := &(*all)[i]; a.Status == status && a.Code == code {
			a.N += n
			return
		}
	}
	if len(*all) >= mostCodes && code != Other {
		tally(all, 0, Other, n)
		return
	}
	*all = append(*all, Answers{status, code, n})
}

// answered counts the end of a request that began at start. result is that of its Outcome; 0: it has none.
func (t *Traffic) answered(start record.Instant, at time.Time, messages uint32, status int, code string, result record.Result) {
	t.Messages += uint64(messages)
	tally(&t.Answers, status, code, 1)
	switch {
	case result == record.ResultAccepted:
		t.Results.Accepted++
		t.AcceptedAt = time.UnixMilli(at.UnixMilli())
	case result == record.ResultAcceptedUnknown, result == record.ResultForeign:
		t.Results.Duplicate++
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		t.Results.Throttled++
	case status == 0:
		t.Results.Unanswered++
		return // how long nobody answered says nothing of the service
	default:
		t.Results.Refused++
	}
	t.ReachableAt = time.UnixMilli(at.UnixMilli())
	took := time.Duration(max(0, at.UnixMilli()-int64(start))) * time.Millisecond // the clock may have been set
	t.Millis += uint64(took.Milliseconds())
	i := 0
	for i < len(TookBounds) && took > TookBounds[i] {
		i++
	}
	t.Took[i]++
}

// began returns the time of the latest attempt of a form in state s.
func (l *Ledger) began(id plan.FormID, s *State) record.Instant {
	if at, ok := l.later[id]; ok {
		delete(l.later, id)
		return at
	}
	return s.First
}
