package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cohort/engine/journal"
)

// Ledger is what the progress log says, folded: the state of every form of every
// batch, the rows that were refused, and the people whom suppression lists have named
// since the cohort was planned. It grows with the number of batches and of those, not
// with the number of people. It is not safe for concurrent use: during a
// run the run's own loop owns it.
type Ledger struct {
	plan    *Plan
	base    []State               // of the planned forms, by batch
	newer   map[FormID]*newerForm // of all the others
	last    map[uint32]uint16     // the highest revision of a batch that has any
	refused map[uint32][]RefusedRow
	listed  map[uint32][]RefusedRow // left out since planning, because a list names them
	late    map[uint32][]RefusedRow // named by a list when their batch was already attempted
	due     map[FormID]time.Time    // when the service said that a form may be sent again
	codes   []string                // why forms are where they are; State.Reason points here

	Starts      int        // how often a process took the run on
	FirstStart  time.Time  // zero: never
	Key         string     // fingerprint of the credential of the latest start
	Closed      bool       // every record had its final fate
	Superseded  string     // the run that took this one's place, and its folder; empty: none
	Lists       []ListRead // the suppression lists as they were applied last
	LastControl string     // the latest decision, verb and detail
	Attempts    uint64     // over all forms
	Revisions   int        // in the log
	LastAnswer  time.Time  // the latest outcome or doubt
	Quiet       time.Time  // until when the service wants no request at all
	Recovered   time.Time  // when this log took the place of one that was lost; zero: it did not
	Hold        string     // why nothing that was lost may be replayed: one of the holds; empty: it may

	copied uint64 // revisions that must follow now, copied from beside a log that was lost
	since  int64  // no attempt that a lost log knew of was made before, Unix milliseconds
}

type newerForm struct {
	Form
	state State
}

// NewLedger is the ledger of a run whose log is empty.
func NewLedger(p *Plan) (*Ledger, error) {
	l := &Ledger{
		plan: p, base: make([]State, p.Batches()), newer: map[FormID]*newerForm{},
		last: map[uint32]uint16{}, refused: map[uint32][]RefusedRow{}, listed: map[uint32][]RefusedRow{}, late: map[uint32][]RefusedRow{},
		Lists: p.Lists, due: map[FormID]time.Time{}, codes: []string{""},
	}
	for b, err := range p.Each() {
		if err != nil {
			return nil, err
		}
		l.base[b.Number].Messages = b.Messages
	}
	return l, nil
}

// State is where a form stands.
func (l *Ledger) State(id FormID) State {
	if s := l.state(id); s != nil {
		return *s
	}
	return State{}
}

func (l *Ledger) state(id FormID) *State {
	if id.Revision == 0 {
		if id.Part == 0 && int(id.Batch) < len(l.base) {
			return &l.base[id.Batch]
		}
		return nil
	}
	if n := l.newer[id]; n != nil {
		return &n.state
	}
	return nil
}

// Form is what a form holds.
func (l *Ledger) Form(id FormID) (Form, error) {
	if id.Revision == 0 {
		b, err := l.plan.Batch(id.Batch)
		return b.Form, err
	}
	if n := l.newer[id]; n != nil {
		return n.Form, nil
	}
	return Form{}, fmt.Errorf("batch %d has no revision %d part %d", id.Batch, id.Revision, id.Part)
}

// Forms calls yield for every form of a batch that stands for messages: the planned
// one, or those that replaced it.
func (l *Ledger) Forms(batch uint32, yield func(FormID, *State)) {
	if s := &l.base[batch]; s.Phase != Replaced {
		yield(FormID{Batch: batch}, s)
		return
	}
	for revision := uint16(1); revision <= l.last[batch]; revision++ {
		for part := uint16(0); ; part++ {
			id := FormID{batch, revision, part}
			n := l.newer[id]
			if n == nil {
				break
			}
			if n.state.Phase != Replaced {
				yield(id, &n.state)
			}
		}
	}
}

// Refused lists the rows of a batch that the service refused, by position.
func (l *Ledger) Refused(batch uint32) []RefusedRow { return l.refused[batch] }

// Reason is the code that says why a form is where it is.
func (l *Ledger) Reason(s State) string { return l.codes[s.Reason] }

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
	switch r := record.(type) {
	case *runOpened:
		return l.open(r)
	case *attempt:
		return l.attempt(r)
	case *outcome:
		return l.outcome(r, at)
	case *inDoubt:
		s, err := l.answered(r.Form, r.N, r.At)
		if err != nil {
			return err
		}
		s.InDoubt, s.Doubted, s.Reason = true, s.Lost, l.intern(r.Code)
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
	case *revision:
		return l.revise(r)
	case *listedLate:
		if r.Batch >= uint32(len(l.base)) {
			return fmt.Errorf("%w: people of a batch that there is not were listed", ErrIllegal)
		}
		l.late[r.Batch] = inOrder(l.late[r.Batch], r.People)
		return l.withhold(r.Batch, r.People)
	case *resolved:
		return l.resolve(r)
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
		l.LastControl = r.Verb + ": " + r.Detail
		if r.Verb == controlSuperseded {
			l.Superseded = r.Detail
		}
	case *runClosed:
		l.Closed = true
	}
	return nil
}

// open notes a start. Whatever the process before it left without an answer is in
// doubt from here on.
func (l *Ledger) open(r *runOpened) error {
	if r.Plan != l.plan.Digest {
		return fmt.Errorf("%w: it belongs to another plan than the one in this folder", ErrIllegal)
	}
	if l.Starts == 0 {
		l.FirstStart = r.At
	}
	l.Starts++
	l.Key, l.Closed = r.Key, false
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
	}
}

func (l *Ledger) attempt(r *attempt) error {
	s := l.state(r.Form)
	if s == nil || s.IsSettled() || s.Pending || r.N != s.Attempts+1 {
		return fmt.Errorf("%w: an attempt of a form that was not waiting for one", ErrIllegal)
	}
	s.Attempts, s.Pending = r.N, true
	if s.First == 0 {
		s.First = r.At.UnixMilli()
	}
	l.Attempts++
	return nil
}

// answered finds the form whose latest attempt is answered.
func (l *Ledger) answered(id FormID, n uint16, at time.Time) (*State, error) {
	s := l.state(id)
	if s == nil || !s.Pending || s.Attempts != n {
		return nil, fmt.Errorf("%w: an answer to an attempt that was not made", ErrIllegal)
	}
	s.Pending = false
	delete(l.due, id)
	l.LastAnswer = at
	return s, nil
}

func (l *Ledger) outcome(r *outcome, at journal.Position) error {
	s, err := l.answered(r.Form, r.N, r.At)
	if err != nil {
		return err
	}
	s.Reason = l.intern(r.Code)
	switch r.Result {
	case ResultAccepted:
		s.Phase, s.Settled, s.InDoubt = AcceptedBy, at, false
	case ResultAcceptedUnknown:
		if !s.InDoubt {
			return fmt.Errorf("%w: a batch accepted by an attempt that was not in doubt", ErrIllegal)
		}
		s.Phase, s.Settled, s.InDoubt = AcceptedNo, at, false
	case ResultNotAccepted:
		l.askedToWait(r.Form, r.Status, r.At, r.RetryAfter)
		if r.Status == 0 { // it never left this machine
			if s.Unsent++; s.Unsent == s.Attempts && !s.Lost {
				s.First = 0
			}
		}
	case ResultHeld:
		s.Phase = Held
	case ResultForeign:
		s.Phase = Foreign
	default:
		return fmt.Errorf("%w: an outcome of a kind that there is not", ErrIllegal)
	}
	return nil
}

func (l *Ledger) revise(r *revision) error {
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
	if r.N > 0 {
		return l.answered(r.Form, r.N, r.At)
	}
	s := l.state(r.Form)
	if s == nil || !s.isClean() {
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
	l.due[id] = at.Add(wait)
	if status == 429 || status == 503 {
		l.Quiet = later(l.Quiet, at.Add(wait))
	}
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
