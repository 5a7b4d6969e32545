package engine

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
)

// ErrIllegal says that a record of the progress log does not follow from those before
// it: the log is damaged, or two logs were mixed.
var ErrIllegal = errors.New("the progress log contradicts itself")

// Apply folds one record of the progress log into the ledger. It is the only way in
// which a ledger changes, while a run lasts and when one is replayed.
func (l *Ledger) Apply(r journal.Record) error {
	record, err := decodeRecord(r.Type, r.Payload)
	if err == nil {
		err = l.apply(record, r.At)
	}
	if err != nil {
		return fmt.Errorf("record %d of the progress log: %w", r.Seq, err)
	}
	return nil
}

func (l *Ledger) apply(record any, at journal.Position) error {
	if _, copied := record.(*revision); l.copied > 0 && !copied {
		return l.whole()
	}
	deciding := l.deciding
	l.deciding = false
	switch r := record.(type) {
	case *runOpened:
		return l.open(r)
	case *attempt:
		return l.attempt(r)
	case *outcome:
		return l.outcome(r, at)
	case *inDoubt:
		s, err := l.answered(r.Form, r.N, r.Status, r.At)
		if err != nil {
			return err
		}
		s.InDoubt, s.Doubted, s.Reason = true, s.Lost, l.intern(r.Code)
		s.doubted()
		delete(l.early, r.Form)
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case *revision:
		return l.revise(r)
	case *listedLate:
		if r.Batch >= uint32(len(l.base)) {
			return fmt.Errorf("%w: people of a batch that there is not were listed", ErrIllegal)
		}
		l.late[r.Batch] = inOrder(l.late[r.Batch], r.People)
		return errors.Join(l.withhold(r.Batch, r.People), l.unresend(r.Batch, r.People))
	case *resolved:
		l.deciding = deciding && r.Result == ResultResend
		return l.resolve(r, at)
	case *recovered:
		return l.recover(r)
	case *control:
		if r.Verb == controlLists {
			l.Lists = nil // a record of a later version may say less
			if err := json.Unmarshal([]byte(r.Detail), &l.Lists); err != nil {
				return fmt.Errorf("%w: it does not say which suppression lists were read", ErrIllegal)
			}
			return nil
		}
		if r.Verb == controlWitness {
			l.Witness = new(Witness)
			if err := json.Unmarshal([]byte(r.Detail), l.Witness); err != nil || len(l.Witness.Files) == 0 {
				return fmt.Errorf("%w: it does not say which files it was written to", ErrIllegal)
			}
			return nil
		}
		if r.Verb == controlStretch {
			if err := json.Unmarshal([]byte(r.Detail), &l.Stretch); err != nil {
				return fmt.Errorf("%w: a window's beginning of which nothing can be read", ErrIllegal)
			}
			return nil
		}
		if r.Verb == controlLeft {
			l.Ended, l.EndedAt = r.Verb, r.At
			return nil
		}
		detail, err := printable(r.Detail), error(nil)
		if r.Verb == controlTaken {
			batches, words, _ := strings.Cut(r.Detail, " ")
			if err := l.taken(batches); err != nil {
				return err
			}
			detail = printable(words)
		}
		switch LeverVerb(r.Verb) {
		case LeverPause, LeverContinue, LeverPace, LeverStop, LeverReason:
			if detail, err = l.lever(r); err != nil {
				return err
			}
		}
		l.LastControl = r.Verb + ": " + detail
		l.Events = append(l.Events, Event{r.At, printable(r.Verb), detail})
		if n := len(l.Events) - mostEvents; n > 0 {
			l.Events = slices.Delete(l.Events, 0, n)
		}
		switch r.Verb {
		case controlConfirmed:
			reference, _, _ := strings.Cut(r.Detail, " ")
			l.Confirmed = append(l.Confirmed, reference)
		case controlHalted, controlStopped, controlInDoubt:
			l.Ended, l.EndedAt = r.Verb, r.At
		case controlSuperseded:
			l.Superseded = r.Detail
		case controlResent:
			l.deciding = true
		}
	case *runClosed:
		l.Closed, l.Ended, l.EndedAt = true, controlFinished, r.At
	}
	return nil
}

// open notes a start. Whatever the process before it left without an answer is in
// doubt from here on.
func (l *Ledger) open(r *runOpened) error {
	if r.Plan != l.plan.Digest {
		return &PlanChangedError{l.plan.Digest, r.Plan}
	}
	if l.Starts == 0 {
		l.FirstStart = r.At
	}
	l.Starts++
	l.Key, l.Closed = r.Key, false
	maps.DeleteFunc(l.early, func(id FormID, _ bool) bool { return l.state(id).Pending })
	l.Latest, l.Ended = Process{int(r.PID), r.Host, r.At}, ""
	for i := range l.base {
		l.orphan(&l.base[i])
	}
	for _, n := range l.newer {
		l.orphan(&n.state)
	}
	return nil
}

func (l *Ledger) orphan(s *State) {
	if s.Pending {
		s.Pending, s.InDoubt, s.Doubted, s.Reason = false, true, s.Lost, l.intern("no_answer")
		s.doubted()
		if l.plan.NeverAgain {
			s.Phase = Held
		}
	}
}

func (l *Ledger) attempt(r *attempt) error {
	s := l.state(r.Form)
	if s == nil || s.IsSettled() || s.Pending || r.N != s.Attempts+1 {
		return fmt.Errorf("%w: an attempt of a form that was not waiting for one", ErrIllegal)
	}
	s.Attempts, s.Pending = r.N, true
	if s.First == (instant{}) {
		s.First = instantOf(r.At.UnixMilli())
	}
	l.Attempts++
	return nil
}

// answered finds the form whose latest attempt is answered. Without a status the answer was
// not the service's: nothing came back, or nothing was sent.
func (l *Ledger) answered(id FormID, n uint16, status int, at time.Time) (*State, error) {
	s := l.state(id)
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

func (l *Ledger) outcome(r *outcome, at journal.Position) error {
	s, err := l.answered(r.Form, r.N, r.Status, r.At)
	if err != nil {
		return err
	}
	s.Reason = l.intern(r.Code)
	switch r.Result {
	case ResultAccepted:
		s.Phase, s.InDoubt = AcceptedBy, false
		s.Settled, err = spotOf(at)
		s.doubted()
		l.LastAnswer = r.At // a file that is written has no status
	case ResultAcceptedUnknown:
		if !s.InDoubt {
			return fmt.Errorf("%w: a batch accepted by an attempt that was not in doubt", ErrIllegal)
		}
		s.Phase, s.InDoubt = AcceptedNo, false
		s.Settled, err = spotOf(at)
	case ResultNotAccepted:
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
		if r.Status == http.StatusTooEarly && !s.InDoubt && !l.plan.NeverAgain {
			// Older versions took a 425 for a refusal. It is doubt in their logs too.
			s.InDoubt, l.early[r.Form] = true, true
		}
		if r.Status == 0 { // it never left this machine
			if s.Unsent++; s.Unsent == s.Attempts && !s.Lost {
				s.First = instant{}
			}
		}
	case ResultHeld:
		s.Phase = Held
		s.doubted()
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case ResultForeign:
		s.Phase = Foreign
	default:
		return fmt.Errorf("%w: an outcome of a kind that there is not", ErrIllegal)
	}
	return err
}

func (l *Ledger) revise(r *revision) error {
	if r.isOfRefused() {
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
		l.unsure[r.Form.Batch] = true
	}
	s.Phase, s.InDoubt, s.Reason = Replaced, false, l.intern(r.Code)
	l.last[r.Form.Batch] = r.Number
	l.Revisions++
	for i, p := range r.Parts {
		newer := &newerForm{Form: p, state: State{Messages: p.Messages}}
		if l.copied > 0 {
			l.lose(&newer.state)
		}
		l.newer[FormID{r.Form.Batch, r.Number, uint16(i)}] = newer
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
func (l *Ledger) replaceable(r *revision) (*State, error) {
	if l.copied > 0 {
		return l.copiedRevision(r)
	}
	s := l.state(r.Form)
	if isUploadRefused(r.Code) && len(r.Parts) == 0 && s != nil && s.Phase == AcceptedBy {
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
func inOrder(rows, more []RefusedRow) []RefusedRow {
	rows = append(rows, more...)
	slices.SortFunc(rows, byPosition)
	return rows
}

func byPosition(a, b RefusedRow) int { return cmp.Compare(a.Position, b.Position) }

// rowAt finds the row of a position.
func rowAt(rows []RefusedRow, position uint32) (RefusedRow, bool) {
	i, found := slices.BinarySearchFunc(rows, RefusedRow{Position: position}, byPosition)
	if !found {
		return RefusedRow{}, false
	}
	return rows[i], true
}

// isLate reports whether it is known that a person of a batch was listed too late.
func (l *Ledger) isLate(batch uint32, position uint32) bool {
	_, known := rowAt(l.late[batch], position)
	return known
}

// askedToWait notes until when the service wants to be left alone: with this form, and
// when it is too busy (429, 503) with every one.
func (l *Ledger) askedToWait(id FormID, status int, at time.Time, wait time.Duration) {
	if wait <= 0 {
		return
	}
	l.longest = max(l.longest, wait)
	l.due[id] = at.Add(wait)
	if status == 429 || status == 503 {
		l.Quiet = later(l.Quiet, at.Add(wait))
	}
}

// quietAt is until when, at now, the service wants no request at all. A process whose clock
// was ahead may have noted a moment that is farther off than anything the service ever
// asked for.
func (l *Ledger) quietAt(now time.Time) time.Time { return sooner(l.Quiet, now.Add(l.longest)) }

// dueAt is the same of one form.
func (l *Ledger) dueAt(id FormID, now time.Time) time.Time {
	return later(now, sooner(l.due[id], now.Add(l.longest)))
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
