package engine

import (
	"fmt"
	"slices"
	"time"
)

// Retry has the refused messages of a run sent again, when a person has mended what they
// were refused for. codes chooses among them by their reason code; none means all. For
// each batch that has any it makes a newer form of just those messages, seals it and
// records it, so that the next start sends them under references of their own. It returns
// how many messages that are. The caller holds the run's folder, and says in the log with
// Control who has decided so and why.
func Retry(log *ProgressLog, plan *Plan, source Source, sink Sink, codes []string, at time.Time) (messages int, err error) {
	bd := builder{run: plan.Run, source: source, sink: sink}
	var scratch body
	for planned, err := range plan.Each() {
		if err != nil {
			return messages, err
		}
		rows := slices.DeleteFunc(slices.Clone(log.Refused(planned.Number)), func(r RefusedRow) bool {
			return len(codes) > 0 && !slices.Contains(codes, r.Code)
		})
		if len(rows) == 0 {
			continue
		}
		number := log.last[planned.Number] + 1
		id := FormID{Batch: planned.Number, Revision: number}
		form := planned.only(rows)
		if err := bd.seal(&scratch, &planned, id, &form); err != nil {
			return messages, err
		}
		if int(form.Messages) != len(rows) {
			return messages, fmt.Errorf("batch %d: %w: %d refused messages became %d", planned.Number, ErrIllegal, len(rows), form.Messages)
		}
		if err := log.revisedByList(&revision{Form: id, At: at, Code: codeRetried, Number: number, Parts: []Form{form}}); err != nil {
			return messages, err
		}
		messages += len(rows)
	}
	return messages, log.settleRevisions()
}

// codeRetried is why a form holds messages that were refused before.
const codeRetried = "retried"

// only is the form of a planned batch that holds some positions alone, which must be
// ascending.
func (b *PlannedBatch) only(rows []RefusedRow) Form {
	f := Form{From: rows[0].Position, To: rows[len(rows)-1].Position + 1}
	next := f.From
	for _, r := range rows {
		for ; next < r.Position; next++ {
			f.Dropped = append(f.Dropped, next)
		}
		next++
	}
	return f
}

// retried folds a revision that has refused messages sent again: it replaces no form, and
// is named after itself.
func (l *Ledger) retried(r *revision) error {
	if len(r.Parts) != 1 || len(r.Refused) != 0 || r.N != 0 || int(r.Form.Batch) >= len(l.base) {
		return fmt.Errorf("%w: messages are sent again that were not refused", ErrIllegal)
	}
	form := r.Parts[0]
	again := form.among(l.refused[r.Form.Batch])
	if len(again) != int(form.Messages) {
		return fmt.Errorf("%w: %d messages are sent again and %d of them were refused", ErrIllegal, form.Messages, len(again))
	}
	l.refused[r.Form.Batch] = slices.DeleteFunc(slices.Clone(l.refused[r.Form.Batch]), func(row RefusedRow) bool {
		_, moved := rowAt(again, row.Position)
		return moved
	})
	l.last[r.Form.Batch], l.Closed = r.Number, false
	l.newer[r.Form] = &newerForm{Form: form, state: State{Messages: form.Messages}}
	return nil
}
