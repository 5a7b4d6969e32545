package engine

import (
	"slices"
	"time"
)

// refusedRows turns the rows that a service named into positions of the shard, each
// once, the first reason given for a row being the one that counts.
func (r *run) refusedRows(res result) []RefusedRow {
	rows := make([]RefusedRow, 0, len(res.answer.Rows))
	for _, row := range res.answer.Rows {
		rows = append(rows, RefusedRow{Position: res.body.positions[row.Index], Code: row.Code, Reason: row.Reason})
	}
	slices.SortStableFunc(rows, byPosition)
	return slices.CompactFunc(rows, func(a, b RefusedRow) bool { return a.Position == b.Position })
}

// revise replaces a form by one that lacks the rows that were refused.
func (r *run) revise(res result, refused []RefusedRow, now time.Time) error {
	positions := make([]uint32, len(refused))
	for i, row := range refused {
		positions[i] = row.Position
	}
	var parts []Form
	if len(refused) < len(res.body.messages) {
		parts = []Form{res.errand.form.without(positions)}
	}
	r.Logger.Debug("the service refused rows of a batch; the others go out in a revision",
		"batch", res.body.reference.String(), "refused", len(refused), "left", len(res.body.messages)-len(refused), "code", res.answer.Code)
	looked := len(res.body.messages)
	if res.answer.RowsCut { // it looked no further than the last row that it names
		looked = res.answer.Rows[len(res.answer.Rows)-1].Index + 1
	}
	r.looked(res.errand.id.Batch, max(0, looked-len(refused)), len(refused), len(parts) == 0)
	return r.replace(res, parts, refused, now)
}

// split cuts a form that was too large for the service in two. One message that is
// too large by itself is refused.
func (r *run) split(res result, now time.Time) error {
	if n := len(res.body.positions); n > 1 {
		halves := res.errand.form.halves(res.body.positions[n/2])
		r.Logger.Warn("a batch was too large for the service and is split; consider a smaller sink.notify.batch.max_bytes",
			"batch", res.body.reference.String(), "bytes", len(res.body.bytes))
		return r.replace(res, halves[:], nil, now)
	}
	r.looked(res.errand.id.Batch, 0, 1, true)
	return r.replace(res, nil, []RefusedRow{{Position: res.body.positions[0], Code: res.answer.Code, Reason: "the message is larger than the service takes"}}, now)
}

// replace seals the newer forms, records them, and makes them due.
func (r *run) replace(res result, parts []Form, refused []RefusedRow, now time.Time) error {
	id, planned := res.errand.id, &res.errand.planned
	record := &revision{
		Form: id, N: res.attempt.N, At: now, Status: res.answer.Status, Code: res.answer.Code,
		Number: r.Log.last[id.Batch] + 1, Parts: parts, Refused: refused,
	}
	for i := range parts {
		part := FormID{id.Batch, record.Number, uint16(i)}
		if err := r.workers.builder.seal(&r.scratch, planned, part, &parts[i]); err != nil {
			return err
		}
	}
	if err := r.Log.revised(record); err != nil {
		return err
	}
	if r.Settle {
		return nil // what was never attempted is not sent now
	}
	for i := range parts {
		r.queue.add(FormID{id.Batch, record.Number, uint16(i)}, now)
	}
	return nil
}
