package dispatch

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cohort/engine"
	"cohort/engine/pace"
)

// silence is how long a service has settled and refused nothing. It begins with the first
// attempt after the last answer that did. Two things are not counted: the quiet that the
// service asked for (429, 503), and the wait of a 425, once. A service that answers 425 for
// ever is so found out, and one that has asked for an hour's patience gets it.
type silence struct {
	last    time.Time     // when an answer last settled or refused something, a person let the run continue, or a window opened
	since   time.Time     // zero: every attempt since last is settled
	rounds  int           // of answers that settled nothing: what was under way together counts once
	round   time.Time     // when the latest was counted
	excused time.Duration // since then, that is not counted
	until   time.Time     // the end of it
	early   bool          // the wait of a 425 is part of it
	heard   bool          // an answer was among them
}

// hear notes an answer to an attempt, and returns how long the silence has lasted: 0 when the
// answer ends it.
func (s *silence) hear(a engine.Answer, attempted, now time.Time) time.Duration {
	if a.Settles() {
		*s = silence{last: now}
		return 0
	}
	if s.since.IsZero() {
		s.since = pace.Later(attempted, s.last)
	}
	if attempted.After(s.round) {
		s.rounds, s.round = s.rounds+1, now
	}
	s.heard = s.heard || a.Status != 0
	if a.RetryAfter > 0 && (a.HoldAll || a.IsEarly() && !s.early) {
		s.early = s.early || a.IsEarly()
		from, until := pace.Later(now, s.until), now.Add(a.RetryAfter)
		s.excused, s.until = s.excused+max(0, until.Sub(from)), pace.Later(s.until, until)
	}
	return now.Sub(s.since) - s.excused + max(0, s.until.Sub(now))
}

// begins has the silence count from a moment at the earliest.
func (s *silence) begins(at time.Time) {
	if s.since.Before(at) {
		*s = silence{last: pace.Later(s.last, at)}
	}
}

// hearSilence halts a run of which nothing was settled or refused for too long.
func (r *run) hearSilence(a engine.Answer, attempted, now time.Time) {
	s := &r.silence
	o, _ := pace.NextOpening(r.job.Pace, attempted)
	s.begins(o.Opens) // what was not settled before this window tells nothing of the night between
	lasts := s.hear(a, attempted, now)
	// One request that failed is no silence, however long ago: at a slow pace the next may
	// be far off. It takes two rounds, and the time between them.
	if r.job.GiveUpAfter <= 0 || s.rounds < 2 || lasts < r.job.GiveUpAfter {
		return
	}
	kind := "at all"
	if s.heard {
		kind = "that settles or refuses anything"
	}
	r.halt(&Stopped{Code: "give_up_after", Why: fmt.Sprintf("there has been no answer %s for %s (give_up_after): %s; check the network and the service's status page", kind, r.job.GiveUpAfter, trouble(r.job.Service, a)), Halt: true})
}

// trouble says in words what an answer that settles nothing tells of a service.
func trouble(service string, a engine.Answer) string {
	said := strings.TrimSpace(strconv.Itoa(a.Status) + " " + a.Code)
	switch {
	case a.Reply == engine.Unsent:
		return fmt.Sprintf("%s cannot be reached (%s)", service, cmp.Or(a.Why, a.Code))
	case a.Status == 0:
		return fmt.Sprintf("%s does not answer (%s)", service, cmp.Or(a.Why, a.Code))
	case a.IsEarly():
		return fmt.Sprintf("%s is still processing an earlier request (%s)", service, said)
	case a.HoldAll && a.RetryAfter > 0:
		return fmt.Sprintf("%s asked for quiet (%s)", service, said)
	}
	return fmt.Sprintf("%s does not answer well (%s)", service, said)
}
