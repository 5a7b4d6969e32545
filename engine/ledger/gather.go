package ledger

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"cohort/engine/plan"
	"cohort/engine/record"
)

// byBatch gathers people into the batches that they were planned in.
func ByBatch(ctx context.Context, planned *plan.Plan, people iter.Seq2[plan.Listed, error], give func(ListedBatch)) error {
	var b ListedBatch
	var next, end uint32 // the batches of the shard behind b
	shard := -1
	done := func() {
		if len(b.People) > 0 {
			give(b)
			b.People = nil
		}
	}
	for p, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if p.Shard != shard {
			done()
			shard, b.Planned = p.Shard, plan.Batch{}
			next, end = planned.ShardBatches(shard)
		}
		for p.Position >= b.Planned.To {
			done()
			if next == end {
				return fmt.Errorf("position %d of shard %d is in no batch", p.Position, shard)
			}
			if b.Planned, err = planned.Batch(next); err != nil {
				return err
			}
			next++
		}
		b.People = append(b.People, record.RefusedRow{Position: p.Position, Code: p.Code})
	}
	done()
	return nil
}

// heed sorts the people of a form that a list names. out can still be left out of it. late
// cannot, since an attempt of the form may have been accepted; people that the log already
// calls too late are not in it.
func (l *Ledger) SplitListed(id plan.FormID, form plan.Form, people []record.RefusedRow) (out, late []record.RefusedRow) {
	people = among(form, people)
	if l.State(id).isClean() {
		return people, nil
	}
	return nil, slices.DeleteFunc(people, func(p record.RefusedRow) bool { return l.isLate(id.Batch, p.Position) })
}

// leavingOut is the revision of a form without some of its people, whom a list names;
// its part is still to be sealed.
func (l *Ledger) WithoutListed(id plan.FormID, form plan.Form, people []record.RefusedRow, now time.Time) *record.Revision {
	return &record.Revision{
		Form: id, At: now, Code: CodeListed, Number: l.last[id.Batch] + 1,
		Parts: Less(form, int(l.State(id).Messages), people), Refused: people,
	}
}
