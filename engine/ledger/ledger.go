// Package ledger gives the records of the progress log their meaning. Decide interprets an answer. Ledger.Apply folds
// records to the state of each form.
package ledger

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Ledger is the progress log, folded: the state of each form, the refused rows, and the people on suppression lists.
// It grows with the number of batches and of those people, not with the cohort. It is not safe for concurrent use. In
// a run, the run's loop owns it.
type Ledger struct {
	Plan    *plan.Plan
	facts   Facts
	base    states                     // of the planned forms
	newer   map[plan.FormID]*newerForm // all other forms
	last    map[uint32]uint16          // highest revision of a batch; no entry: it has none
	refused map[uint32][]record.RefusedRow
	listed  map[uint32][]record.RefusedRow // excluded after planning, because a list names them
	late    map[uint32][]record.RefusedRow // named by a list when their batch was already attempted or refused
	outside map[uint32][]record.RefusedRow // suppressed by the plan, and contradicted
	unsure  map[uint32]bool                // batches with refused messages that may have been accepted, see refused.go
	due     map[plan.FormID]time.Time      // the service asked to wait with this form until then
	again   map[uint32]bool                // batches with refused messages that a person decided to send again
	early   map[plan.FormID]bool           // in doubt only by a 425 that an older version took for a refusal
	codes   []string                       // State.Reason is an index
	totals  []totals                       // by route; one without routes
	traffic Traffic                        // without Accepted, see totals
	later   map[plan.FormID]record.Instant // attempts under way that are not the form's first
	longest time.Duration                  // longest wait that the service asked for
	quiet   time.Time                      // the service wants no request before then

	contradicted int // people

	decoder  record.Decoder
	deciding bool   // the latest records are a decision to send again, see resend.go
	copied   uint64 // revisions from the second copy that must follow now
	since    int64  // no attempt in a lost log was earlier, Unix milliseconds
}

// Facts are what a log says about its run as a whole.
type Facts struct {
	Starts      int              // processes that worked on the run
	FirstStart  time.Time        // zero: none
	Latest      Process          // the latest process that worked on the run; PID 0: none
	Ended       string           // how that process ended: the verb of a Control; empty: it noted no end
	EndedAt     time.Time        // the latest end that was noted
	HaltCode    string           // the code of the latest halt; empty: none, or an older version did not note it
	Key         string           // fingerprint of the credential of the latest start
	Closed      bool             // every record has its final fate
	Reported    string           // SHA-256 of the report that a finished run wrote; empty: none, or not of these fates
	Superseded  string           // the run that replaced this one, and its folder; empty: none
	Confirmed   []string         // references of files that the service confirmed
	Witness     *Witness         // the files of the log; nil: not noted
	Lists       []plan.ListRead  // the suppression lists that were applied last
	Paused      string           // the person who paused the run, and the reason; empty: not paused
	Override    pace.Override    // rate that a person asked for
	Stretch     pace.WindowStart // latest window, where the rate depends on it
	Events      []Event          // latest decisions
	LastControl string           // latest decision: verb and detail
	Attempts    uint64           // of all forms
	Revisions   int
	LastAnswer  time.Time // latest answer of the service
	Recovered   time.Time // this log replaced a lost one then; zero: it did not
	Hold        string    // the reason why nothing lost is replayed: a Hold constant; empty: forms are replayed
}

type newerForm struct {
	plan.Form
	state State
}

// New returns the ledger of an empty log.
func New(p *plan.Plan) (*Ledger, error) {
	l := &Ledger{
		Plan: p, facts: Facts{Lists: p.Lists}, base: newStates(p.Batches(), p.Created.UnixMilli()), newer: map[plan.FormID]*newerForm{},
		last: map[uint32]uint16{}, refused: map[uint32][]record.RefusedRow{}, listed: map[uint32][]record.RefusedRow{},
		late: map[uint32][]record.RefusedRow{}, outside: map[uint32][]record.RefusedRow{}, unsure: map[uint32]bool{}, again: map[uint32]bool{}, due: map[plan.FormID]time.Time{},
		early: map[plan.FormID]bool{}, codes: []string{""}, totals: make([]totals, max(1, len(p.Routes))), later: map[plan.FormID]record.Instant{},
	}
	for b, err := range p.Each() {
		if err != nil {
			return nil, err
		}
		l.put(plan.FormID{Batch: b.Number}, &State{Messages: b.Messages})
	}
	return l, nil
}

// Facts returns what the log says about the run as a whole. The caller does not change its lists.
func (l *Ledger) Facts() Facts { return l.facts }

// State returns the state of a form; the zero State when there is no such form.
func (l *Ledger) State(id plan.FormID) (s State) {
	l.get(id, &s)
	return s
}

// get is State without a copy. s is the zero State before.
func (l *Ledger) get(id plan.FormID, s *State) {
	if id.Revision == 0 && id.Part == 0 && int(id.Batch) < len(l.base.packed) {
		l.base.get(id.Batch, s)
	} else if n := l.newer[id]; n != nil {
		*s = n.state
	}
}

// put replaces the state of a form that exists.
func (l *Ledger) put(id plan.FormID, s *State) {
	t := l.totalsOf(id.Batch)
	t.add(s, 1)
	if id.Revision == 0 {
		t.replace(l.base.kindOf(id.Batch), s)
		l.base.set(id.Batch, s)
	} else {
		n := l.newer[id]
		t.replace(&n.state, s)
		n.state = *s
	}
}

func (l *Ledger) totalsOf(batch uint32) *totals {
	if len(l.totals) == 1 {
		return &l.totals[0]
	}
	return &l.totals[l.Plan.RouteOfBatch(batch)]
}

// Form returns the contents of a form.
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

// Reference returns the reference of a form at the service.
func (l *Ledger) Reference(id plan.FormID) (engine.Reference, error) {
	planned, err := l.Plan.Batch(id.Batch)
	return l.Plan.References.Batch(planned.Lane, planned.Ordinal, id.Revision, id.Part), err
}

// Forms yields the forms of a batch that stand for its messages: the planned form, or the forms that replaced it.
func (l *Ledger) Forms(batch uint32) iter.Seq2[plan.FormID, State] {
	return func(yield func(plan.FormID, State) bool) {
		if s := l.State(plan.FormID{Batch: batch}); s.Phase != Replaced {
			yield(plan.FormID{Batch: batch}, s)
			return
		}
		for id, n := range l.revisions(batch) {
			if n.state.Phase != Replaced && !yield(id, n.state) {
				return
			}
		}
	}
}

// Standing is Forms for all batches, in the order of the plan.
func (l *Ledger) Standing() iter.Seq2[plan.FormID, State] {
	return func(yield func(plan.FormID, State) bool) {
		for b := range l.base.packed {
			for id, s := range l.Forms(uint32(b)) {
				if !yield(id, s) {
					return
				}
			}
		}
	}
}

func (l *Ledger) revisions(batch uint32) iter.Seq2[plan.FormID, *newerForm] {
	return func(yield func(plan.FormID, *newerForm) bool) {
		for revision := uint16(1); revision <= l.last[batch]; revision++ {
			for part := uint16(0); ; part++ {
				id := plan.FormID{Batch: batch, Revision: revision, Part: part}
				n := l.newer[id]
				if n == nil {
					break
				}
				if !yield(id, n) {
					return
				}
			}
		}
	}
}

// EveryForm yields every form that a batch ever had, the planned form first.
func (l *Ledger) EveryForm(planned *plan.Batch) iter.Seq2[plan.FormID, plan.Form] {
	return func(yield func(plan.FormID, plan.Form) bool) {
		if !yield(plan.FormID{Batch: planned.Number}, planned.Form) {
			return
		}
		for id, n := range l.revisions(planned.Number) {
			if !yield(id, n.Form) {
				return
			}
		}
	}
}

// all yields the state of every form, in no order.
func (l *Ledger) all(yield func(plan.FormID, State) bool) {
	for b := range l.base.packed {
		if id := (plan.FormID{Batch: uint32(b)}); !yield(id, l.State(id)) {
			return
		}
	}
	for id, n := range l.newer {
		if !yield(id, n.state) {
			return
		}
	}
}

// Begun yields all newer forms, and the planned forms that were attempted or may have been. It has no order.
func (l *Ledger) Begun(yield func(plan.FormID, State) bool) {
	for id, s := range l.all {
		if (id.Revision > 0 || s.Attempts > 0 || s.Phase != Planned) && !yield(id, s) {
			return
		}
	}
}

func (l *Ledger) FormCount() int { return len(l.base.packed) + len(l.newer) }

// Reason returns the code that explains a state: the service's code, or one of ours.
func (l *Ledger) Reason(s State) string { return l.codes[s.Reason] }

// Refused lists the rows of a batch that the service refused, by position.
func (l *Ledger) Refused(batch uint32) []record.RefusedRow { return l.refused[batch] }

// RefusedBatches yields the refused rows of all batches, in no order.
func (l *Ledger) RefusedBatches() iter.Seq2[uint32, []record.RefusedRow] { return maps.All(l.refused) }

// LeftOut lists the people of a batch who are excluded because a list names them, by position.
func (l *Ledger) LeftOut(batch uint32) []record.RefusedRow { return l.listed[batch] }

// TooLate lists the people of a batch who were listed after it was attempted, by position.
func (l *Ledger) TooLate(batch uint32) []record.RefusedRow { return l.late[batch] }

// IsUnsure reports whether a refused message of a batch may have been accepted. Then none is sent again.
func (l *Ledger) IsUnsure(batch uint32) bool { return l.unsure[batch] }

// NextRevision returns the number that the next revision of a batch must have.
func (l *Ledger) NextRevision(batch uint32) uint16 { return l.last[batch] + 1 }

// IsCopying reports whether the next records must be revisions from the second copy.
func (l *Ledger) IsCopying() bool { return l.copied > 0 }

// QuietAt returns the end of the quiet that the service asked for. A process with a fast clock may have noted a late
// time, so the wait is at most the longest that the service ever asked for.
func (l *Ledger) QuietAt(now time.Time) time.Time { return pace.Sooner(l.quiet, now.Add(l.longest)) }

// DueAt is QuietAt for one form, and never before now.
func (l *Ledger) DueAt(id plan.FormID, now time.Time) time.Time {
	return pace.Later(now, pace.Sooner(l.due[id], now.Add(l.longest)))
}

// BeginWindow notes the start of a window without a record. It is for paces that ignore the start after a restart.
func (l *Ledger) BeginWindow(s pace.WindowStart) { l.facts.Stretch = s }

// Clone copies a ledger, so that a record can be folded into the copy.
func (l *Ledger) Clone() *Ledger {
	c := *l
	c.base, c.totals = l.base.clone(), slices.Clone(l.totals)
	c.codes, c.facts.Events = slices.Clone(l.codes), slices.Clone(l.facts.Events)
	c.newer = make(map[plan.FormID]*newerForm, len(l.newer))
	for id, n := range l.newer {
		form := *n
		c.newer[id] = &form
	}
	c.last, c.due, c.unsure, c.early = maps.Clone(l.last), maps.Clone(l.due), maps.Clone(l.unsure), maps.Clone(l.early)
	c.again, c.later, c.traffic = maps.Clone(l.again), maps.Clone(l.later), l.traffic.clone()
	for _, rows := range []*map[uint32][]record.RefusedRow{&c.refused, &c.listed, &c.late, &c.outside} {
		*rows = maps.Clone(*rows)
		for batch, r := range *rows {
			(*rows)[batch] = slices.Clone(r)
		}
	}
	return &c
}
