package ledger

import (
	"cmp"
	"errors"
	"slices"

	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// errCrosses says that a record of the log is about several batches at once.
var errCrosses = errors.New("a record is about several batches")

// ReadBatch is Read for one batch. Only what the ledger says about that batch is right. It also returns the batch's
// records. Every byte of the log and of the plan is checked, but records of other batches are not folded: no state
// of a batch follows from the records of another. A few records are about several batches; with one of them in the
// log, ReadBatch is Read.
func ReadBatch(dir string, p *plan.Plan, batch uint32) (*Ledger, []journal.Record, error) {
	l := newLedger(p)
	b, err := p.Batch(batch)
	if err = cmp.Or(err, p.Verify(), LostLog(dir, p)); err != nil {
		return nil, nil, err
	}
	l.put(plan.FormID{Batch: batch}, &State{Messages: b.Messages})
	var own []journal.Record
	keep := func(r journal.Record, about bool) {
		if about {
			r.Payload = slices.Clone(r.Payload)
			own = append(own, r)
		}
	}
	_, err = ReadLog(dir, p, journal.Tail{}, func(r journal.Record) error {
		of, about := record.BatchOf(r.Type, r.Payload)
		if about && of != batch {
			return nil
		}
		keep(r, about)
		return cmp.Or(crosses(r), l.Apply(r))
	})
	if errors.Is(err, errCrosses) {
		own = nil
		l, err = ReadWith(dir, p, func(r journal.Record) error {
			of, about := record.BatchOf(r.Type, r.Payload)
			keep(r, about && of == batch)
			return nil
		})
	}
	return l, own, err
}

// crosses returns errCrosses for a record after which the records of a batch may mean something else: a lost log, and
// decisions that name batches or count the records behind them.
func crosses(r journal.Record) error {
	if r.Type == record.KindRecovered {
		return errCrosses
	}
	if r.Type != record.KindControl {
		return nil
	}
	decoded, err := record.Decode(r.Type, r.Payload)
	if c, is := decoded.(*record.Control); is && (c.Verb == record.ControlResent || c.Verb == record.ControlTaken) {
		return errCrosses
	}
	return err
}
