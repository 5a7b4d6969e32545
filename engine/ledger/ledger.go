package ledger

import (
	"fmt"
	"iter"
	"time"

	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Ledger is what the progress log says, folded: the state of every form of every
// batch, the rows that were refused, and the people whom suppression lists have named
// since the cohort was planned. It grows with the number of batches and of those, not
// with the number of people. It is not safe for concurrent use: during a
// run the run's own loop owns it.
type Ledger struct {
	Plan    *plan.Plan
	base    []State                    // of the planned forms, by batch
	newer   map[plan.FormID]*newerForm // of all the others
	last    map[uint32]uint16          // the highest revision of a batch that has any
	refused map[uint32][]record.RefusedRow
	listed  map[uint32][]record.RefusedRow // left out since planning, because a list names them
	late    map[uint32][]record.RefusedRow // named by a list when their batch was already attempted, also if they were refused
	Unsure  map[uint32]bool                // batches of which a refused request had gone unanswered before: see retry.go
	due     map[plan.FormID]time.Time      // when the service said that a form may be sent again
	early   map[plan.FormID]bool           // forms in doubt only by a 425 in the log of an older version, which may have replaced them
	codes   []string                       // why forms are where they are; State.Reason points here

	Starts      int              // how often a process took the run on
	FirstStart  time.Time        // zero: never
	Latest      Process          // the one that took it on last; its PID is 0 when none did
	Ended       string           // how that one ended: the verb of a control record; empty: it has noted no end
	EndedAt     time.Time        // when an end was noted last
	Key         string           // fingerprint of the credential of the latest start
	Closed      bool             // every record had its final fate
	Superseded  string           // the run that took this one's place, and its folder; empty: none
	Confirmed   []string         // references of the files that the service has confirmed
	Witness     *Witness         // the files that the run was written to; nil: not noted
	Lists       []plan.ListRead  // the suppression lists as they were applied last
	Paused      string           // a person has paused the run: who and why; empty: it is not paused
	Override    pace.Override    // the rate that a person has asked for
	Stretch     pace.WindowStart // the window that was begun last, where the rate depends on it
	Events      []Event          // the latest decisions
	LastControl string           // the latest decision, verb and detail
	Attempts    uint64           // over all forms
	Revisions   int              // in the log
	LastAnswer  time.Time        // the latest of the service
	longest     time.Duration    // the longest wait that the service has asked for
	Quiet       time.Time        // until when the service wants no request at all
	Recovered   time.Time        // when this log took the place of one that was lost; zero: it did not
	Hold        string           // why nothing that was lost may be replayed: one of the holds; empty: it may

	Deciding bool   // the records before this one are of a decision to send again: see resend.go
	copied   uint64 // revisions that must follow now, copied from beside a log that was lost
	since    int64  // no attempt that a lost log knew of was made before, Unix milliseconds
}

type newerForm struct {
	plan.Form
	state State
}

// NewLedger is the ledger of a run whose log is empty.
func New(p *plan.Plan) (*Ledger, error) {
	l := &Ledger{
		Plan: p, base: make([]State, p.Batches()), newer: map[plan.FormID]*newerForm{},
		last: map[uint32]uint16{}, refused: map[uint32][]record.RefusedRow{}, listed: map[uint32][]record.RefusedRow{}, late: map[uint32][]record.RefusedRow{},
		Lists: p.Lists, Unsure: map[uint32]bool{}, due: map[plan.FormID]time.Time{}, early: map[plan.FormID]bool{}, codes: []string{""},
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
func (l *Ledger) State(id plan.FormID) State {
	if s := l.At(id); s != nil {
		return *s
	}
	return State{}
}

func (l *Ledger) At(id plan.FormID) *State {
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
func (l *Ledger) Form(id plan.FormID) (plan.Form, error) {
	if id.Revision == 0 {
		b, err := l.Plan.Batch(id.Batch)
		return b.Form, err
	}
	if n := l.newer[id]; n != nil {
		return n.Form, nil
	}
	return plan.Form{}, fmt.Errorf("batch %d has no revision %d part %d", id.Batch, id.Revision, id.Part)
}

// Forms calls yield for every form of a batch that stands for messages: the planned
// one, or those that replaced it.
func (l *Ledger) Forms(batch uint32, yield func(plan.FormID, *State)) {
	if s := &l.base[batch]; s.Phase != Replaced {
		yield(plan.FormID{Batch: batch}, s)
		return
	}
	for revision := uint16(1); revision <= l.last[batch]; revision++ {
		for part := uint16(0); ; part++ {
			id := plan.FormID{Batch: batch, Revision: revision, Part: part}
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
func (l *Ledger) Refused(batch uint32) []record.RefusedRow { return l.refused[batch] }

// Reason is the code that says why a form is where it is.
func (l *Ledger) Reason(s State) string { return l.codes[s.Reason] }

// leftOut lists the people of a batch who were left out since planning, because a list names
// them, by position.
func (l *Ledger) LeftOut(batch uint32) []record.RefusedRow { return l.listed[batch] }

// tooLate lists the people of a batch whom a list named when the batch was already
// attempted, by position.
func (l *Ledger) TooLate(batch uint32) []record.RefusedRow { return l.late[batch] }

// everyForm yields every form that a batch has had, the planned one first.
func (l *Ledger) EveryForm(planned *plan.Batch) iter.Seq2[plan.FormID, plan.Form] {
	return func(yield func(plan.FormID, plan.Form) bool) {
		if !yield(plan.FormID{Batch: planned.Number}, planned.Form) {
			return
		}
		for revision := uint16(1); revision <= l.last[planned.Number]; revision++ {
			for part := uint16(0); ; part++ {
				id := plan.FormID{Batch: planned.Number, Revision: revision, Part: part}
				n := l.newer[id]
				if n == nil {
					break
				}
				if !yield(id, n.Form) {
					return
				}
			}
		}
	}
}

// begun yields the planned forms of which an attempt was made, or may have been, and all newer
// forms.
func (l *Ledger) Begun(yield func(plan.FormID, *State) bool) {
	for b := range l.base {
		if s := &l.base[b]; (s.Attempts > 0 || s.InDoubt) && !yield(plan.FormID{Batch: uint32(b)}, s) {
			return
		}
	}
	for id, n := range l.newer {
		if !yield(id, &n.state) {
			return
		}
	}
}

// formCount is the number of forms, planned and newer.
func (l *Ledger) FormCount() int { return len(l.base) + len(l.newer) }

// copying reports whether the revisions that come next were copied from beside a lost log.
func (l *Ledger) Copying() bool { return l.copied > 0 }
