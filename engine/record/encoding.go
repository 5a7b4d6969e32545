package record

import (
	"cohort/engine/journal"
	"cohort/engine/plan"
)

// Each kind's fields are encoded in the order that is part of the log's format.

func (*RunOpened) Kind() journal.Type  { return KindRunOpened }
func (*Attempt) Kind() journal.Type    { return KindAttempt }
func (*Outcome) Kind() journal.Type    { return KindOutcome }
func (*InDoubt) Kind() journal.Type    { return KindInDoubt }
func (*Revision) Kind() journal.Type   { return KindRevision }
func (*Resolved) Kind() journal.Type   { return KindResolved }
func (*Control) Kind() journal.Type    { return KindControl }
func (*RunClosed) Kind() journal.Type  { return KindRunClosed }
func (*ListedLate) Kind() journal.Type { return KindListedLate }
func (*Recovered) Kind() journal.Type  { return KindRecovered }

func (r *RunOpened) encode(e *encoder) {
	e.bytes(r.Plan[:])
	e.time(r.At)
	e.uint(r.PID)
	e.text(r.Host)
	e.text(r.Version)
	e.text(r.Key)
}

func (r *RunOpened) decode(d *decoder) {
	*r = RunOpened{Plan: d.digest(), At: d.time(), PID: d.uint(), Host: d.text(), Version: d.text(), Key: d.text()}
}

func (r *Attempt) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.bytes(r.Correlation[:])
}

func (r *Attempt) decode(d *decoder) {
	*r = Attempt{Form: d.form(), N: d.small(), At: d.time(), Correlation: [16]byte(d.bytes(16))}
}

func (r *Outcome) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Result))
	e.uint(uint64(r.Status))
	e.text(r.Code)
	e.uint(uint64(r.RetryAfter.Milliseconds()))
	e.texts(r.IDs)
}

func (r *Outcome) decode(d *decoder) {
	*r = Outcome{
		Form: d.form(), N: d.small(), At: d.time(), Result: Result(d.uint()), Status: int(d.uint()), Code: d.text(),
		RetryAfter: d.milliseconds(),
	}
	r.rawIDs, d.b = d.b, nil // most readers need no ids
}

func (r *InDoubt) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Status))
	e.text(r.Code)
	e.uint(uint64(r.RetryAfter.Milliseconds()))
}

func (r *InDoubt) decode(d *decoder) {
	*r = InDoubt{
		Form: d.form(), N: d.small(), At: d.time(), Status: int(d.uint()), Code: d.text(), RetryAfter: d.milliseconds(),
	}
}

func (r *Revision) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Status))
	e.text(r.Code)
	e.uint(uint64(r.Number))
	e.uint(uint64(len(r.Parts)))
	for i := range r.Parts {
		p := &r.Parts[i]
		e.uint(uint64(p.From))
		e.uint(uint64(p.To))
		e.uint(uint64(p.Messages))
		e.uint(uint64(p.Bytes))
		e.bytes(p.SHA256[:])
		e.positions(p.Dropped)
	}
	e.uint(uint64(len(r.Refused)))
	for _, row := range r.Refused {
		e.uint(uint64(row.Position))
		e.text(row.Code)
		e.text(row.Reason)
	}
	if r.Sure { // older versions wrote nothing here, which means not sure
		e.uint(1)
	}
}

func (r *Revision) decode(d *decoder) {
	*r = Revision{
		Form: d.form(), N: d.small(), At: d.time(), Status: int(d.uint()), Code: d.text(), Number: d.small(),
	}
	for range d.count(37) {
		r.Parts = append(r.Parts, plan.Form{
			From: uint32(d.uint()), To: uint32(d.uint()), Messages: uint32(d.uint()), Bytes: uint32(d.uint()),
			SHA256: d.digest(), Dropped: d.positions(),
		})
	}
	for range d.count(3) {
		row := RefusedRow{Position: uint32(d.uint()), Code: d.text(), Reason: d.text()}
		if n := len(r.Refused); n > 0 && r.Refused[n-1].Code == row.Code {
			row.Code = r.Refused[n-1].Code // one string for all rows, which may be a whole cohort
		}
		r.Refused = append(r.Refused, row)
	}
	if len(d.b) > 0 {
		r.Sure, d.failed = true, d.uint() != 1 || d.failed
	}
}

func (r *Resolved) encode(e *encoder) {
	e.form(r.Form)
	e.time(r.At)
	e.uint(uint64(r.Result))
	e.text(r.Reason)
	if r.Result == ResultAccepted {
		e.texts(r.IDs)
	}
}

func (r *Resolved) decode(d *decoder) {
	*r = Resolved{Form: d.form(), At: d.time(), Result: Result(d.uint()), Reason: d.text()}
	if r.Result == ResultAccepted {
		r.IDs = d.texts()
	}
}

func (r *Control) encode(e *encoder) {
	e.time(r.At)
	e.text(r.Verb)
	e.text(r.Detail)
}

func (r *Control) decode(d *decoder) {
	*r = Control{At: d.time(), Verb: d.text(), Detail: d.text()}
}

func (r *RunClosed) encode(e *encoder) {
	e.time(r.At)
	for _, n := range r.Counts {
		e.uint(n)
	}
}

func (r *RunClosed) decode(d *decoder) {
	r.At = d.time()
	for i := range r.Counts {
		r.Counts[i] = d.uint()
	}
}

func (r *ListedLate) encode(e *encoder) {
	e.uint(uint64(r.Batch))
	e.time(r.At)
	e.uint(uint64(len(r.People)))
	for _, p := range r.People {
		e.uint(uint64(p.Position))
		e.text(p.Code)
	}
}

func (r *ListedLate) decode(d *decoder) {
	*r = ListedLate{Batch: uint32(d.uint()), At: d.time()}
	for range d.count(2) {
		r.People = append(r.People, RefusedRow{Position: uint32(d.uint()), Code: d.text()})
	}
}

func (r *Recovered) encode(e *encoder) {
	e.bytes(r.Plan[:])
	e.time(r.At)
	e.time(r.Since)
	e.text(r.Hold)
	e.uint(r.Attempts)
	e.uint(r.Revisions)
	e.text(r.Key)
	e.text(r.Aside)
}

func (r *Recovered) decode(d *decoder) {
	*r = Recovered{
		Plan: d.digest(), At: d.time(), Since: d.time(), Hold: d.text(),
		Attempts: d.uint(), Revisions: d.uint(), Key: d.text(), Aside: d.text(),
	}
}
