package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"cohort/engine/journal"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// ErrIllegal says that a record of the progress log does not follow from those before
// it: the log is damaged, or two logs were mixed.
var ErrIllegal = errors.New("the progress log contradicts itself")

// Apply folds one record of the progress log into the ledger. It is the only way in
// which a ledger changes, while a run lasts and when one is replayed.
func (l *Ledger) Apply(r journal.Record) error {
	record, err := record.Decode(r.Type, r.Payload)
	if err == nil {
		err = l.Fold(record, r.At)
	}
	if err != nil {
		return fmt.Errorf("record %d of the progress log: %w", r.Seq, err)
	}
	return nil
}

func (l *Ledger) Fold(rec any, at journal.Position) error {
	if _, copied := rec.(*record.Revision); l.copied > 0 && !copied {
		return l.Whole()
	}
	deciding := l.Deciding
	l.Deciding = false
	switch r := rec.(type) {
	case *record.RunOpened:
		return l.open(r)
	case *record.Attempt:
		return l.attempt(r)
	case *record.Outcome:
		return l.outcome(r, at)
	case *record.InDoubt:
		s, err := l.answered(r.Form, r.N, r.Status, r.At)
		if err != nil {
			return err
		}
		s.InDoubt, s.Doubted, s.Reason = true, s.Lost, l.intern(r.Code)
		s.doubted()
		delete(l.early, r.Form)
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case *record.Revision:
		return l.revise(r)
	case *record.ListedLate:
		if r.Batch >= uint32(len(l.base)) {
			return fmt.Errorf("%w: people of a batch that there is not were listed", ErrIllegal)
		}
		l.late[r.Batch] = inOrder(l.late[r.Batch], r.People)
		return errors.Join(l.withhold(r.Batch, r.People), l.unresend(r.Batch, r.People))
	case *record.Resolved:
		l.Deciding = deciding && r.Result == record.ResultResend
		return l.resolve(r, at)
	case *record.Recovered:
		return l.recover(r)
	case *record.Control:
		if r.Verb == record.ControlLists {
			l.Lists = nil // a record of a later version may say less
			if err := json.Unmarshal([]byte(r.Detail), &l.Lists); err != nil {
				return fmt.Errorf("%w: it does not say which suppression lists were read", ErrIllegal)
			}
			return nil
		}
		if r.Verb == record.ControlWitness {
			l.Witness = new(Witness)
			if err := json.Unmarshal([]byte(r.Detail), l.Witness); err != nil || len(l.Witness.Files) == 0 {
				return fmt.Errorf("%w: it does not say which files it was written to", ErrIllegal)
			}
			return nil
		}
		if r.Verb == record.ControlStretch {
			if err := json.Unmarshal([]byte(r.Detail), &l.Stretch); err != nil {
				return fmt.Errorf("%w: a window's beginning of which nothing can be read", ErrIllegal)
			}
			return nil
		}
		if r.Verb == record.ControlLeft {
			l.Ended, l.EndedAt = r.Verb, r.At
			return nil
		}
		detail, err := record.Printable(r.Detail), error(nil)
		if r.Verb == record.ControlTaken {
			batches, words, _ := strings.Cut(r.Detail, " ")
			if err := l.taken(batches); err != nil {
				return err
			}
			detail = record.Printable(words)
		}
		switch record.Verb(r.Verb) {
		case record.VerbPause, record.VerbContinue, record.VerbPace, record.VerbStop, record.VerbReason:
			if detail, err = l.FoldCommand(r); err != nil {
				return err
			}
		}
		l.LastControl = r.Verb + ": " + detail
		l.Events = append(l.Events, Event{r.At, record.Printable(r.Verb), detail})
		if n := len(l.Events) - mostEvents; n > 0 {
			l.Events = slices.Delete(l.Events, 0, n)
		}
		switch r.Verb {
		case record.ControlConfirmed:
			reference, _, _ := strings.Cut(r.Detail, " ")
			l.Confirmed = append(l.Confirmed, reference)
		case record.ControlHalted, record.ControlStopped, record.ControlInDoubt:
			l.Ended, l.EndedAt = r.Verb, r.At
		case record.ControlSuperseded:
			l.Superseded = r.Detail
		case record.ControlResent:
			l.Deciding = true
		}
	case *record.RunClosed:
		l.Closed, l.Ended, l.EndedAt = true, record.ControlFinished, r.At
	}
	return nil
}

// open notes a start. Whatever the process before it left without an answer is in
// doubt from here on.
func (l *Ledger) open(r *record.RunOpened) error {
	if r.Plan != l.Plan.Digest {
		return &plan.ChangedError{Has: l.Plan.Digest, Logged: r.Plan}
	}
	if l.Starts == 0 {
		l.FirstStart = r.At
	}
	l.Starts++
	l.Key, l.Closed = r.Key, false
	maps.DeleteFunc(l.early, func(id plan.FormID, _ bool) bool { return l.At(id).Pending })
	l.Latest, l.Ended = Process{int(r.PID), r.Host, r.At}, ""
	for i := range l.base {
		l.markUnanswered(&l.base[i])
	}
	for _, n := range l.newer {
		l.markUnanswered(&n.state)
	}
	return nil
}

func (l *Ledger) markUnanswered(s *State) {
	if s.Pending {
		s.Pending, s.InDoubt, s.Doubted, s.Reason = false, true, s.Lost, l.intern("no_answer")
		s.doubted()
		if l.Plan.NeverAgain {
			s.Phase = Held
		}
	}
}

func (l *Ledger) attempt(r *record.Attempt) error {
	s := l.At(r.Form)
	if s == nil || s.IsSettled() || s.Pending || r.N != s.Attempts+1 {
		return fmt.Errorf("%w: an attempt of a form that was not waiting for one", ErrIllegal)
	}
	s.Attempts, s.Pending = r.N, true
	if s.First == (record.Instant{}) {
		s.First = record.InstantOf(r.At.UnixMilli())
	}
	l.Attempts++
	return nil
}

// answered finds the form whose latest attempt is answered. Without a status the answer was
// not the service's: nothing came back, or nothing was sent.
func (l *Ledger) answered(id plan.FormID, n uint16, status int, at time.Time) (*State, error) {
	s := l.At(id)
	if s == nil || !s.Pending || s.Attempts != n {
		return nil, fmt.Errorf("%w: an answer to an attempt that was not made", ErrIllegal)
	}
	s.Pending = false
	delete(l.due, id)
	if status != 0 {
		l.LastAnswer = at
	}
	return s, nil
}

func (l *Ledger) outcome(r *record.Outcome, at journal.Position) error {
	s, err := l.answered(r.Form, r.N, r.Status, r.At)
	if err != nil {
		return err
	}
	s.Reason = l.intern(r.Code)
	switch r.Result {
	case record.ResultAccepted:
		s.Phase, s.InDoubt = AcceptedBy, false
		s.Settled, err = record.SpotOf(at)
		s.doubted()
		l.LastAnswer = r.At // a file that is written has no status
	case record.ResultAcceptedUnknown:
		if !s.InDoubt {
			return fmt.Errorf("%w: a batch accepted by an attempt that was not in doubt", ErrIllegal)
		}
		s.Phase, s.InDoubt = AcceptedNo, false
		s.Settled, err = record.SpotOf(at)
	case record.ResultNotAccepted:
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
		if r.Status == http.StatusTooEarly && !s.InDoubt && !l.Plan.NeverAgain {
			// Older versions took a 425 for a refusal. It is doubt in their logs too.
			s.InDoubt, l.early[r.Form] = true, true
		}
		if r.Status == 0 { // it never left this machine
			if s.Unsent++; s.Unsent == s.Attempts && !s.Lost {
				s.First = record.Instant{}
			}
		}
	case record.ResultHeld:
		s.Phase = Held
		s.doubted()
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case record.ResultForeign:
		s.Phase = Foreign
	default:
		return fmt.Errorf("%w: an outcome of a kind that there is not", ErrIllegal)
	}
	return err
}

func (l *Ledger) revise(r *record.Revision) error {
	if r.IsOfRefused() {
		return l.takeUp(r)
	}
	s, err := l.replaceable(r)
	if err != nil {
		return err
	}
	if r.Number != l.last[r.Form.Batch]+1 {
		return fmt.Errorf("%w: revision %d follows revision %d", ErrIllegal, r.Number, l.last[r.Form.Batch])
	}
	messages := uint32(len(r.Refused))
	for _, p := range r.Parts {
		messages += p.Messages
	}
	if messages != s.Messages {
		return fmt.Errorf("%w: a revision of %d messages stands for %d", ErrIllegal, s.Messages, messages)
	}
	switch {
	case r.N == 0: // no request of the form is under way
	case l.copied > 0 && !r.Sure, l.copied == 0 && s.InDoubt && !(l.early[r.Form] && r.Sure):
		l.Unsure[r.Form.Batch] = true
	}
	s.Phase, s.InDoubt, s.Reason = Replaced, false, l.intern(r.Code)
	l.last[r.Form.Batch] = r.Number
	l.Revisions++
	for i, p := range r.Parts {
		newer := &newerForm{Form: p, state: State{Messages: p.Messages}}
		if l.copied > 0 {
			l.markLost(&newer.state)
		}
		l.newer[plan.FormID{Batch: r.Form.Batch, Revision: r.Number, Part: uint16(i)}] = newer
	}
	l.copied = max(l.copied, 1) - 1
	if len(r.Refused) > 0 {
		left := l.refused
		if r.N == 0 {
			left = l.listed
		}
		left[r.Form.Batch] = inOrder(left[r.Form.Batch], r.Refused)
	}
	return nil
}

// replaceable finds the form that a revision replaces: one whose latest attempt it
// answers or, when a suppression list asked for it, one of which no attempt can have
// been accepted.
func (l *Ledger) replaceable(r *record.Revision) (*State, error) {
	if l.copied > 0 {
		return l.copiedRevision(r)
	}
	s := l.At(r.Form)
	if IsUploadRefused(r.Code) && len(r.Parts) == 0 && s != nil && s.Phase == AcceptedBy {
		return s, nil
	}
	if r.N > 0 {
		return l.answered(r.Form, r.N, r.Status, r.At)
	}
	if s == nil || !s.isClean() && (!l.early[r.Form] || s.IsSettled() || s.Pending) {
		return nil, fmt.Errorf("%w: people were left out of a form that may have been accepted", ErrIllegal)
	}
	delete(l.due, r.Form)
	return s, nil
}

// inOrder adds rows to others, by position.
func inOrder(rows, more []record.RefusedRow) []record.RefusedRow {
	rows = append(rows, more...)
	slices.SortFunc(rows, ByPosition)
	return rows
}

func ByPosition(a, b record.RefusedRow) int { return cmp.Compare(a.Position, b.Position) }

// rowAt finds the row of a position.
func RowAt(rows []record.RefusedRow, position uint32) (record.RefusedRow, bool) {
	i, found := slices.BinarySearchFunc(rows, record.RefusedRow{Position: position}, ByPosition)
	if !found {
		return record.RefusedRow{}, false
	}
	return rows[i], true
}

// isLate reports whether it is known that a person of a batch was listed too late.
func (l *Ledger) isLate(batch uint32, position uint32) bool {
	_, known := RowAt(l.late[batch], position)
	return known
}

// askedToWait notes until when the service wants to be left alone: with this form, and
// when it is too busy (429, 503) with every one.
func (l *Ledger) askedToWait(id plan.FormID, status int, at time.Time, wait time.Duration) {
	if wait <= 0 {
		return
	}
	l.longest = max(l.longest, wait)
	l.due[id] = at.Add(wait)
	if status == 429 || status == 503 {
		l.Quiet = pace.Later(l.Quiet, at.Add(wait))
	}
}

// quietAt is until when, at now, the service wants no request at all. A process whose clock
// was ahead may have noted a moment that is farther off than anything the service ever
// asked for.
func (l *Ledger) QuietAt(now time.Time) time.Time { return pace.Sooner(l.Quiet, now.Add(l.longest)) }

// dueAt is the same of one form.
func (l *Ledger) DueAt(id plan.FormID, now time.Time) time.Time {
	return pace.Later(now, pace.Sooner(l.due[id], now.Add(l.longest)))
}

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
