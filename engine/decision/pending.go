// Package decision has what a person decides about a run: foreign and held forms, refused messages that are sent
// again, messages in doubt that are sent again, and uploaded files that the service refused. Candidates show what
// would happen; their Commit does it. The ledger checks each decision again when it is folded.
package decision

import (
	"time"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Waiting is a form that a person may have to decide about.
type Waiting struct {
	Batch     uint32
	Reference string // of the form at the service
	Messages  int
	Code      string // of the latest answer, or one of ours
}

// Pending has the forms that a person has to look at, in the order of the plan.
type Pending struct {
	Foreign  []Waiting // the service has them, and this log never sent them
	Withheld []Waiting // a lost log knew if they were sent, and they contain listed people
	Held     []Waiting // in doubt for another reason, and no replay can settle them
	Late     []Waiting // batches with people who were listed too late; Messages is the number of those people
}

// Find returns the forms that a person has to look at.
func Find(l *ledger.Ledger) (p Pending, err error) {
	waiting := func(to *[]Waiting, id plan.FormID, messages int, code string) {
		reference, e := l.Reference(id)
		if e != nil {
			err = e
		}
		*to = append(*to, Waiting{id.Batch, reference.String(), messages, code})
	}
	for id, s := range l.Standing() {
		switch {
		case s.Phase == ledger.Foreign:
			waiting(&p.Foreign, id, int(s.Messages), l.Reason(s))
		case l.IsWithheld(s):
			waiting(&p.Withheld, id, int(s.Messages), l.Reason(s))
		case s.Phase == ledger.Held:
			waiting(&p.Held, id, int(s.Messages), l.Reason(s))
		}
	}
	for batch := range uint32(l.Plan.Batches()) {
		if people := l.StillLate(batch); people > 0 {
			waiting(&p.Late, plan.FormID{Batch: batch}, people, ledger.CodeListedTooLate)
		}
	}
	return p, err
}

// Resolve records, durably, a decision about all forms that wait for it, and returns their number. The results:
//   - AcceptedUnknown: foreign forms belong to this run;
//   - Held: foreign forms stay in doubt;
//   - Replay: withheld forms are replayed although they contain listed people.
func Resolve(log *ledger.Log, at time.Time, result record.Result, reason string) (forms int, err error) {
	var ids []plan.FormID
	for id, s := range log.Ledger.Standing() {
		if result == record.ResultReplay && log.Ledger.IsWithheld(s) || result != record.ResultReplay && s.Phase == ledger.Foreign {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if err := log.Append(&record.Resolved{Form: id, At: at, Result: result, Reason: reason}); err != nil {
			return 0, err
		}
	}
	return len(ids), log.Flush()
}
