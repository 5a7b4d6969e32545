package engine

import (
	"fmt"
	"time"
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
	late    map[uint32][]RefusedRow // named by a list when their batch was already attempted, also if they were refused
	unsure  map[uint32]bool         // batches of which a refused request had gone unanswered before: see retry.go
	due     map[FormID]time.Time    // when the service said that a form may be sent again
	early   map[FormID]bool         // forms in doubt only by a 425 in the log of an older version, which may have replaced them
	codes   []string                // why forms are where they are; State.Reason points here

	Starts      int           // how often a process took the run on
	FirstStart  time.Time     // zero: never
	Latest      Process       // the one that took it on last; its PID is 0 when none did
	Ended       string        // how that one ended: the verb of a control record; empty: it has noted no end
	EndedAt     time.Time     // when an end was noted last
	Key         string        // fingerprint of the credential of the latest start
	Closed      bool          // every record had its final fate
	Superseded  string        // the run that took this one's place, and its folder; empty: none
	Confirmed   []string      // references of the files that the service has confirmed
	Witness     *Witness      // the files that the run was written to; nil: not noted
	Lists       []ListRead    // the suppression lists as they were applied last
	Paused      string        // a person has paused the run: who and why; empty: it is not paused
	PaceLever   PaceLever     // the rate that a person has asked for
	Stretch     Stretch       // the window that was begun last, where the rate depends on it
	Events      []Event       // the latest decisions
	LastControl string        // the latest decision, verb and detail
	Attempts    uint64        // over all forms
	Revisions   int           // in the log
	LastAnswer  time.Time     // the latest of the service
	longest     time.Duration // the longest wait that the service has asked for
	Quiet       time.Time     // until when the service wants no request at all
	Recovered   time.Time     // when this log took the place of one that was lost; zero: it did not
	Hold        string        // why nothing that was lost may be replayed: one of the holds; empty: it may

	deciding bool   // the records before this one are of a decision to send again: see resend.go
	copied   uint64 // revisions that must follow now, copied from beside a log that was lost
	since    int64  // no attempt that a lost log knew of was made before, Unix milliseconds
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
		Lists: p.Lists, unsure: map[uint32]bool{}, due: map[FormID]time.Time{}, early: map[FormID]bool{}, codes: []string{""},
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
