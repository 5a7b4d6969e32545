package ledger

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/journal"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// ErrIllegal says that a record does not follow from the records before it: the log is damaged, or two logs are mixed.
var ErrIllegal = errors.New("the progress log contradicts itself")

func illegal(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrIllegal, fmt.Sprintf(format, args...))
}

// Apply folds one record of the progress log into the ledger. Nothing else changes a ledger, in a run and in a
// replay of the log alike. After an error the ledger must not be used.
func (l *Ledger) Apply(r journal.Record) error {
	rec, err := l.decoder.Decode(r.Type, r.Payload)
	if err == nil {
		err = l.Fold(rec, r.At)
	}
	if err != nil {
		return fmt.Errorf("record %d of the progress log: %w", r.Seq, err)
	}
	return nil
}

// Fold is Apply for a decoded record at a position of the log; the zero position when nobody needs it.
func (l *Ledger) Fold(rec record.Record, at journal.Position) error {
	if _, copied := rec.(*record.Revision); l.copied > 0 && !copied {
		return l.Whole()
	}
	deciding := l.deciding
	l.deciding = false
	if rec.Kind() != record.KindControl {
		l.facts.Reported = ""
	}
	switch r := rec.(type) {
	case *record.RunOpened:
		return l.open(r)
	case *record.Attempt:
		return l.attempt(r)
	case *record.Outcome:
		return l.outcome(r, at)
	case *record.InDoubt:
		var s State
		if err := l.answered(&s, r.Form, r.N, r.Status, r.At); err != nil {
			return err
		}
		l.traffic.answered(l.began(r.Form, &s), r.At, s.Messages, r.Status, r.Code, 0)
		s.Phase, s.Reason = InDoubt, l.intern(r.Code)
		s.mayBeAccepted()
		l.put(r.Form, &s)
		delete(l.early, r.Form)
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case *record.Revision:
		return l.revise(r)
	case *record.ListedLate:
		if r.Batch >= uint32(len(l.base.packed)) {
			return illegal("a suppression list names people of batch %d, which does not exist", r.Batch)
		}
		return l.listLate(r)
	case *record.Resolved:
		l.deciding = deciding && r.Result == record.ResultResend
		return l.resolve(r, at)
	case *record.Recovered:
		return l.recover(r)
	case *record.Control:
		return l.control(r)
	case *record.RunClosed:
		l.facts.Closed, l.facts.Ended, l.facts.EndedAt = true, record.ControlFinished, r.At
	}
	return nil
}

// open folds a start. Each attempt that the process before it left without an answer is in doubt from here on.
func (l *Ledger) open(r *record.RunOpened) error {
	if r.Plan != l.Plan.Digest {
		return &plan.ChangedError{Has: l.Plan.Digest, Logged: r.Plan}
	}
	f := &l.facts
	if f.Starts == 0 {
		f.FirstStart = r.At
	}
	f.Starts++
	f.Key, f.Closed, f.Ended = r.Key, false, ""
	f.Latest = Process{int(r.PID), r.Host, r.At}
	maps.DeleteFunc(l.early, func(id plan.FormID, _ bool) bool { return l.State(id).IsPending() })
	clear(l.later)
	pending := int64(0)
	for s, n := range counts(l.totals) {
		if s.IsPending() {
			pending += n.forms
			l.traffic.Messages += uint64(n.messages)
		}
	}
	if pending == 0 {
		return nil
	}
	l.traffic.Results.Unanswered += uint64(pending)
	tally(&l.traffic.Answers, 0, "no_answer", uint64(pending))
	for id, s := range l.all {
		if s.IsPending() {
			s.Phase, s.Reason = l.doubt(), l.intern("no_answer")
			s.mayBeAccepted()
			l.put(id, &s)
		}
	}
	return nil
}

// doubt returns the phase of a form in doubt between two starts: only a service that deduplicates gets a replay.
func (l *Ledger) doubt() Phase {
	if l.Plan.Kind() != engine.Deduplicates {
		return Held
	}
	return InDoubt
}

func (l *Ledger) attempt(r *record.Attempt) error {
	var s State
	if l.get(r.Form, &s); s.IsSettled() || s.IsPending() || r.N != s.Attempts+1 {
		return illegal("an attempt of a form that was not waiting for one")
	}
	if s.Attempts = r.N; s.Phase == InDoubt {
		s.Phase = Replayed
	} else {
		s.Phase = Attempted
	}
	if at := record.Instant(r.At.UnixMilli()); s.First == 0 {
		s.First = at
	} else {
		l.later[r.Form] = at
	}
	l.put(r.Form, &s)
	l.facts.Attempts++
	return nil
}

// answered takes the answer to the latest attempt of a form. It fills s with the state without this attempt. Status 0
// means that the service did not answer.
func (l *Ledger) answered(s *State, id plan.FormID, n uint16, status int, at time.Time) error {
	if l.get(id, s); !s.IsPending() || s.Attempts != n {
		return illegal("an answer to an attempt that was not made")
	}
	if s.Phase == Replayed {
		s.Phase = InDoubt
	} else {
		s.Phase = Planned
	}
	delete(l.due, id)
	if status != 0 {
		l.facts.LastAnswer = at
	}
	return nil
}

func (l *Ledger) outcome(r *record.Outcome, at journal.Position) error {
	var s State
	err := l.answered(&s, r.Form, r.N, r.Status, r.At)
	if err != nil {
		return err
	}
	l.traffic.answered(l.began(r.Form, &s), r.At, s.Messages, r.Status, r.Code, r.Result)
	s.Reason = l.intern(r.Code)
	switch r.Result {
	case record.ResultAccepted:
		s.Phase = Accepted
		s.Settled, err = record.SpotOf(at)
		s.mayBeAccepted()
		l.facts.LastAnswer = r.At // a file has no status
	case record.ResultAcceptedUnknown:
		if s.Phase != InDoubt {
			return illegal("a batch was accepted by an attempt that was not in doubt")
		}
		s.Phase = AcceptedUnknown
		s.Settled, err = record.SpotOf(at)
	case record.ResultNotAccepted:
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
		if r.Status == http.StatusTooEarly && s.Phase == Planned && l.doubt() == InDoubt {
			// Older versions took a 425 for a refusal. In their logs too it means doubt.
			s.Phase, l.early[r.Form] = InDoubt, true
		}
		if r.Status == 0 { // it never left this machine
			if s.Unsent++; s.Unsent == s.Attempts && s.Loss == NotLost {
				s.First = 0
			}
		}
	case record.ResultHeld:
		s.Phase = Held
		s.mayBeAccepted()
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case record.ResultForeign:
		s.Phase = Foreign
	default:
		return illegal("an outcome has result %d, which does not exist", r.Result)
	}
	l.put(r.Form, &s)
	return err
}

func (l *Ledger) revise(r *record.Revision) error {
	if r.IsOfRefused() {
		return l.reviseRefused(r)
	}
	s, err := l.replaceable(r)
	if err != nil {
		return err
	}
	batch := r.Form.Batch
	if r.Number != l.NextRevision(batch) {
		return illegal("revision %d follows revision %d", r.Number, l.last[batch])
	}
	messages := uint32(len(r.Refused))
	for _, p := range r.Parts {
		messages += p.Messages
	}
	if messages != s.Messages {
		return illegal("a revision has %d messages instead of %d", messages, s.Messages)
	}
	switch {
	case r.N == 0: // no request of the form is on its way
	case l.copied > 0 && !r.Sure, l.copied == 0 && s.Phase == InDoubt && !(l.early[r.Form] && r.Sure):
		l.unsure[batch] = true
	}
	s.Phase, s.Reason = Replaced, l.intern(r.Code)
	l.put(r.Form, &s)
	for i, p := range r.Parts {
		l.addForm(r.Part(i), p, 0)
	}
	l.revised(r)
	if len(r.Refused) > 0 {
		rows, sum := l.refused, &l.totalsOf(batch).refused
		if r.N == 0 {
			rows, sum = l.listed, &l.totalsOf(batch).listed
		}
		rows[batch] = inOrder(rows[batch], r.Refused)
		*sum += int64(len(r.Refused))
		for i := 0; i < len(r.Refused) && r.N > 0; i++ {
			tally(&l.traffic.Refused, 0, r.Refused[i].Code, 1)
		}
	}
	return nil
}

// addForm adds a form of a revision. A form from the second copy may have been attempted.
func (l *Ledger) addForm(id plan.FormID, f plan.Form, reason uint16) {
	s := State{Messages: f.Messages, Reason: reason}
	if l.copied > 0 {
		s = l.lost(s)
	}
	l.newer[id] = &newerForm{Form: f}
	l.put(id, &s)
}

func (l *Ledger) revised(r *record.Revision) {
	l.last[r.Form.Batch] = r.Number
	l.facts.Revisions++
	l.copied = max(l.copied, 1) - 1
}

// replaceable returns the form that a revision replaces. An answer's revision replaces the form that was answered. A
// list's revision replaces a form that cannot have been accepted.
func (l *Ledger) replaceable(r *record.Revision) (State, error) {
	s := l.State(r.Form)
	switch {
	case l.copied > 0: // the records that would justify the revision are lost
		if s.Loss == NotLost || s.Messages == 0 || s.Phase != InDoubt && s.Phase != Held {
			return s, illegal("a revision from the second copy replaces a form that does not exist")
		}
		return s, nil
	case IsUploadRefused(r.Code) && len(r.Parts) == 0 && s.Phase == Accepted:
		return s, nil
	case r.N > 0:
		err := l.answered(&s, r.Form, r.N, r.Status, r.At)
		if err == nil {
			l.traffic.answered(l.began(r.Form, &s), r.At, s.Messages, r.Status, r.Code, 0)
		}
		return s, err
	case !s.isClean() && (!l.early[r.Form] || s.Phase != InDoubt || s.Messages == 0):
		return s, illegal("people were left out of a form that may have been accepted")
	}
	delete(l.due, r.Form)
	return s, nil
}

// askedToWait notes that the service asked to wait with this form; after a 429 or 503, with every form.
func (l *Ledger) askedToWait(id plan.FormID, status int, at time.Time, wait time.Duration) {
	if wait <= 0 {
		return
	}
	l.longest = max(l.longest, wait)
	l.due[id] = at.Add(wait)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		l.quiet = pace.Later(l.quiet, at.Add(wait))
	}
}

// intern returns the index of a code. There is room for 65,535 codes; another one becomes the empty code.
func (l *Ledger) intern(code string) uint16 {
	if i := slices.Index(l.codes, code); i >= 0 {
		return uint16(i)
	}
	if len(l.codes) == 1<<16-1 {
		return 0
	}
	l.codes = append(l.codes, code)
	return uint16(len(l.codes) - 1)
}
