package engine

import (
	"slices"
	"time"
)

// refusedRows turns the rows that a service named into positions of the shard, each
// once, the first reason given for a row being the one that counts. positions are those
// of the request's messages.
func refusedRows(positions []uint32, named []RowError) []RefusedRow {
	rows := make([]RefusedRow, 0, len(named))
	for _, row := range named {
		rows = append(rows, RefusedRow{Position: positions[row.Index], Code: row.Code, Reason: row.Reason})
	}
	slices.SortStableFunc(rows, byPosition)
	return slices.CompactFunc(rows, func(a, b RefusedRow) bool { return a.Position == b.Position })
}

// less is what is left of f, which holds so many messages, without some rows of it:
// nothing when they are all.
func (f *Form) less(messages int, rows []RefusedRow) []Form {
	if len(rows) >= messages {
		return nil
	}
	positions := make([]uint32, len(rows))
	for i, row := range rows {
		positions[i] = row.Position
	}
	return []Form{f.without(positions)}
}

// smaller cuts f, whose messages have these positions, in two because the service found
// it too large. One message that is too large by itself is refused.
func (f *Form) smaller(positions []uint32, code string) (parts []Form, refused []RefusedRow) {
	if n := len(positions); n > 1 {
		halves := f.halves(positions[n/2])
		return halves[:], nil
	}
	return nil, []RefusedRow{{Position: positions[0], Code: code, Reason: "the message is larger than the service takes"}}
}

// newForms seals the parts of a revision.
func (bd *builder) newForms(scratch *body, planned *PlannedBatch, r *revision) error {
	for i := range r.Parts {
		if err := bd.seal(scratch, planned, r.part(i), &r.Parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// part names one of the newer forms.
func (r *revision) part(i int) FormID { return FormID{r.Form.Batch, r.Number, uint16(i)} }

// revise replaces a form by one that lacks the rows that were refused.
func (r *run) revise(res result, refused []RefusedRow, now time.Time) error {
	messages := len(res.body.messages)
	parts := res.errand.form.less(messages, refused)
	r.Logger.Debug("the service refused rows of a batch; the others go out in a revision",
		"batch", res.body.reference.String(), "refused", len(refused), "left", messages-len(refused), "code", res.answer.Code)
	looked := messages
	if res.answer.RowsCut { // it looked no further than the last row that it names
		looked = res.answer.Rows[len(res.answer.Rows)-1].Index + 1
	}
	r.looked(res.errand.id.Batch, max(0, looked-len(refused)), len(refused), len(parts) == 0)
	return r.replace(res, parts, refused, now)
}

// split replaces a form that was too large for the service by smaller ones.
func (r *run) split(res result, now time.Time) error {
	parts, refused := res.errand.form.smaller(res.body.positions, res.answer.Code)
	if len(parts) > 0 {
		r.Logger.Warn("a batch was too large for the service and is split; consider a smaller sink.notify.batch.max_bytes",
			"batch", res.body.reference.String(), "bytes", len(res.body.bytes))
	} else {
		r.looked(res.errand.id.Batch, 0, 1, true)
	}
	return r.replace(res, parts, refused, now)
}

// replaced is the revision that an answer to attempt n of a form asks for; its parts
// are still to be sealed.
func (l *Ledger) replaced(id FormID, n uint16, a Answer, parts []Form, refused []RefusedRow, now time.Time) *revision {
	return &revision{
		Form: id, N: n, At: now, Status: a.Status, Code: a.Code,
		Number: l.last[id.Batch] + 1, Parts: parts, Refused: refused, Sure: !l.State(id).InDoubt,
	}
}

// replace seals the newer forms, records them, and makes them due.
func (r *run) replace(res result, parts []Form, refused []RefusedRow, now time.Time) error {
	record := r.Log.replaced(res.errand.id, res.attempt.N, res.answer, parts, refused, now)
	if err := r.workers.builder.newForms(&r.scratch, &res.errand.planned, record); err != nil {
		return err
	}
	if err := r.Log.revised(record); err != nil {
		return err
	}
	if r.Settle {
		return nil // what was never attempted is not sent now
	}
	for i := range parts {
		r.queue.add(record.part(i), now)
	}
	return nil
}
