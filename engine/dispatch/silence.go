package dispatch

import (
	"cmp"
	"fmt"
	"time"

	"cohort/engine"
	"cohort/engine/pace"
)

// silence is a time without an answer that settled or refused anything. It begins with the first attempt after the last
// answer that did. Two waits do not count: the quiet that the service asked for (429, 503), and the first wait of a
// 425. So a service that answers 425 for ever is given up, and one that asks for an hour of quiet is not.
type silence struct {
	last     time.Time     // of the last answer that settled or refused something, or of the last restart
	since    time.Time     // zero: every attempt since last is settled
	rounds   int           // answers that settled nothing; several at once count as one
	round    time.Time     // when the latest was counted
	excused  time.Duration // since then, that does not count
	until    time.Time     // the end of it
	early    bool          // it includes the wait of a 425
	answered bool          // there was an answer
}

// add notes an answer to an attempt. It returns the length of the silence, 0 when the answer ends it.
func (s *silence) add(a engine.Answer, attempted, now time.Time) time.Duration {
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
	s.answered = s.answered || a.Status != 0
	if a.RetryAfter > 0 && (a.HoldAll || a.IsEarly() && !s.early) {
		s.early = s.early || a.IsEarly()
		from, until := pace.Later(now, s.until), now.Add(a.RetryAfter)
		s.excused, s.until = s.excused+max(0, until.Sub(from)), pace.Later(s.until, until)
	}
	return now.Sub(s.since) - s.excused + max(0, s.until.Sub(now))
}

// restart makes the silence count from a moment at the earliest.
func (s *silence) restart(at time.Time) {
	if s.since.Before(at) {
		*s = silence{last: pace.Later(s.last, at)}
	}
}

// checkSilence halts a run when nothing was settled or refused for too long.
func (r *run) checkSilence(a engine.Answer, attempted, now time.Time) {
	s := &r.silence
	o, _ := pace.NextOpening(r.job.Pace, attempted)
	s.restart(o.Opens) // the night before this window does not count
	lasts := s.add(a, attempted, now)
	// At a slow pace the next request may be far off. So one failed request is no silence:
	// it takes two rounds, and the time between them.
	if r.job.GiveUpAfter <= 0 || s.rounds < 2 || lasts < r.job.GiveUpAfter {
		return
	}
	kind := "at all"
	if s.answered {
		kind = "that settles or refuses anything"
	}
	r.halt(&Stopped{Code: "give_up_after", Halt: true, Why: fmt.Sprintf("there has been no answer %s for %s (give_up_after): %s; "+
		"check the network and the service's status page", kind, r.job.GiveUpAfter, trouble(r.job.Service, a))})
}

// trouble puts an answer that settles nothing into words.
func trouble(service string, a engine.Answer) string {
	switch {
	case a.Code == engine.CodeNoToken:
		return cmp.Or(a.Why, "no access token")
	case a.Reply == engine.Unsent:
		return fmt.Sprintf("%s cannot be reached (%s)", service, cmp.Or(a.Why, a.Code))
	case a.Status == 0:
		return fmt.Sprintf("%s does not answer (%s)", service, cmp.Or(a.Why, a.Code))
	case a.IsEarly():
		return fmt.Sprintf("%s is still processing an earlier request (%s)", service, codeOf(a))
	case a.HoldAll && a.RetryAfter > 0:
		return fmt.Sprintf("%s asked for quiet (%s)", service, codeOf(a))
	}
	return fmt.Sprintf("%s does not answer well (%s)", service, codeOf(a))
}
