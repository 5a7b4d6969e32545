package ledger

import (
	"fmt"
	"time"

	"cohort/engine/plan"
	"cohort/engine/record"
)

// Waiting is a form about which a person may decide something.
type Waiting struct {
	Batch     uint32
	Reference string // of the batch
	Messages  int
	Code      string // the latest answer's, or a word of ours
}

// Decisions is what of a run a person has to look at.
type Decisions struct {
	Foreign  []Waiting // the service holds them and this run's log never sent them
	Withheld []Waiting // perhaps never sent before the log was lost, and they hold people who are listed: see Ledger
	Held     []Waiting // in doubt for other reasons, and no replay can settle them
	Late     []Waiting // planned batches of which people were listed too late; Messages is how many
}

// Decisions lists what a person has to look at, in the order of the plan.
func (l *Ledger) Decisions() (d Decisions, err error) {
	for b := range l.base {
		planned, e := l.Plan.Batch(uint32(b))
		if e != nil {
			return d, e
		}
		waiting := func(id plan.FormID, messages int, code string) Waiting {
			return Waiting{id.Batch, l.Plan.Run.BatchReference(planned.Shard, planned.Ordinal, id.Revision, id.Part).String(), messages, code}
		}
		l.Forms(uint32(b), func(id plan.FormID, s *State) {
			w := waiting(id, int(s.Messages), l.Reason(*s))
			switch {
			case s.Phase == Foreign:
				d.Foreign = append(d.Foreign, w)
			case l.isWithheld(s):
				d.Withheld = append(d.Withheld, w)
			case s.Phase == Held:
				d.Held = append(d.Held, w)
			}
		})
		if people := l.lateNow(uint32(b)); people > 0 {
			d.Late = append(d.Late, waiting(plan.FormID{Batch: uint32(b)}, people, CodeListedTooLate))
		}
	}
	return d, nil
}

// Resolve records, durably, what a person decided about forms that wait for a decision,
// and why: of those that the service holds and this log never sent (Foreign), that they
// are this run's (ResultAcceptedUnknown) or that they stay in doubt (ResultHeld); of those
// that a recovery left in doubt and that hold people who were listed since, that they are
// replayed nevertheless (ResultReplay). It returns how many forms there were.
func (p *Log) Resolve(at time.Time, result record.Result, reason string) (forms int, err error) {
	var ids []plan.FormID
	for b := range p.Ledger.base {
		p.Ledger.Forms(uint32(b), func(id plan.FormID, s *State) {
			if result == record.ResultReplay && p.Ledger.isWithheld(s) || result != record.ResultReplay && s.Phase == Foreign {
				ids = append(ids, id)
			}
		})
	}
	for _, id := range ids {
		r := &record.Resolved{Form: id, At: at, Result: result, Reason: reason}
		if err := p.Answer(record.KindResolved, r, r.Encode); err != nil {
			return 0, err
		}
	}
	if err := p.Log.Flush(); err != nil {
		return 0, fmt.Errorf("progress log: %w", err)
	}
	return len(ids), nil
}
