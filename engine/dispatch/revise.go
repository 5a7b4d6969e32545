package dispatch

import (
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// refusedRows turns the rows that a service named into positions in the shard, each once.
// The first reason given for a row counts. positions are those of the request's messages.
func refusedRows(positions []uint32, named []engine.RowError) []record.RefusedRow {
	rows := make([]record.RefusedRow, 0, len(named))
	for _, row := range named {
		rows = append(rows, record.RefusedRow{Position: positions[row.Index], Code: row.Code, Reason: row.Reason})
	}
	slices.SortStableFunc(rows, ledger.ByPosition)
	return slices.CompactFunc(rows, func(a, b record.RefusedRow) bool { return a.Position == b.Position })
}

// revise replaces a form by one that lacks the rows that were refused.
func (r *run) revise(res result, refused []record.RefusedRow, now time.Time) error {
	messages := len(res.body.Messages)
	parts := ledger.Without(res.task.form, messages, refused)
	r.job.Logger.Debug("the service refused rows of a batch; the others go out in a revision", event.BatchRevised,
		"batch", res.body.Reference.String(), "refused", len(refused), "left", messages-len(refused), "code", res.answer.Code)
	looked := messages
	if res.answer.RowsCut { // the service did not look behind the last row that it names
		looked = res.answer.Rows[len(res.answer.Rows)-1].Index + 1
	}
	r.countRefusals(res.task.id.Batch, max(0, looked-len(refused)), len(refused), len(parts) == 0)
	return r.replace(res, parts, refused, now)
}

// split replaces a form that was too large for the service by smaller ones.
func (r *run) split(res result, now time.Time) error {
	parts, refused := smaller(res.task.form, res.body.Positions, res.answer.Code)
	if len(parts) > 0 {
		r.job.Logger.Warn("a batch was too large for the service and is split; consider a smaller sink.notify.batch.max_bytes", event.BatchSplit, event.Correlation(res.attempt.Correlation),
			"batch", res.body.Reference.String(), "bytes", len(res.body.Bytes))
	} else {
		r.countRefusals(res.task.id.Batch, 0, 1, true)
	}
	return r.replace(res, parts, refused, now)
}

func (r *run) replace(res result, parts []plan.Form, refused []record.RefusedRow, now time.Time) error {
	record := r.ledger.Revision(res.task.id, res.attempt.N, res.answer, parts, refused, now)
	if err := r.workers.builder.NewForms(&r.scratch, &res.task.planned, record.Part(0), record.Parts); err != nil {
		return err
	}
	if err := r.log.Revised(record); err != nil {
		return err
	}
	if r.job.Settle {
		return nil // what was never attempted is not sent now
	}
	for i := range parts {
		r.queue.add(record.Part(i), now)
	}
	return nil
}

// smaller halves a form that was too large for the service. Its messages have these
// positions. A single message that is too large is refused.
func smaller(f plan.Form, positions []uint32, code string) (parts []plan.Form, refused []record.RefusedRow) {
	if n := len(positions); n > 1 {
		halves := f.Halves(positions[n/2])
		return halves[:], nil
	}
	return nil, []record.RefusedRow{{Position: positions[0], Code: code, Reason: "the message is larger than the service takes"}}
}
