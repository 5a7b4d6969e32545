package record

import (
	"fmt"

	"cohort/engine/journal"
	"cohort/engine/plan"
)

func Append(dst []byte, r Record) []byte {
	c := coder{b: dst}
	r.code(&c)
	return c.b
}

// Decode reads the payload of a journal record. A payload of the wrong length is ErrLength.
func Decode(kind journal.Type, payload []byte) (Record, error) {
	return new(Decoder).Decode(kind, payload)
}

// Decoder decodes records and uses memory again. It is not safe for concurrent use.
type Decoder struct {
	c       coder
	attempt Attempt
	outcome Outcome
}

// Decode is like the function Decode, but an Attempt or an Outcome is valid only until the next call.
func (d *Decoder) Decode(kind journal.Type, payload []byte) (r Record, err error) {
	switch {
	case kind == KindAttempt:
		r = &d.attempt
	case kind == KindOutcome:
		r = &d.outcome
	case int(kind) < len(empty) && empty[kind] != nil:
		r = empty[kind]()
	default:
		return nil, fmt.Errorf("records of kind %d are not known to this version of cohort", kind)
	}
	d.c = coder{b: payload, reading: true}
	r.code(&d.c)
	return r, d.c.end()
}

// BatchOf returns the batch that a record is about, without decoding the rest; false: it is about none.
func BatchOf(kind journal.Type, payload []byte) (batch uint32, ok bool) {
	switch kind {
	case KindAttempt, KindOutcome, KindInDoubt, KindRevision, KindResolved, KindListedLate: // it comes first in all of them
		c := coder{b: payload, reading: true}
		integer(&c, &batch)
		return batch, !c.failed
	}
	return 0, false
}

var empty = [...]func() Record{
	KindRunOpened:  func() Record { return new(RunOpened) },
	KindInDoubt:    func() Record { return new(InDoubt) },
	KindRevision:   func() Record { return new(Revision) },
	KindResolved:   func() Record { return new(Resolved) },
	KindControl:    func() Record { return new(Control) },
	KindRunClosed:  func() Record { return new(RunClosed) },
	KindListedLate: func() Record { return new(ListedLate) },
	KindRecovered:  func() Record { return new(Recovered) },
}

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

// The methods code write or read the fields of a kind, in the order that is part of the log's format.

func (r *RunOpened) code(c *coder) {
	c.bytes(r.Plan[:])
	c.time(&r.At)
	integer(c, &r.PID)
	c.text(&r.Host)
	c.text(&r.Version)
	c.text(&r.Key)
}

func (r *Attempt) code(c *coder) {
	c.form(&r.Form)
	integer(c, &r.N)
	c.time(&r.At)
	c.bytes(r.Correlation[:])
}

func (r *Outcome) code(c *coder) {
	c.form(&r.Form)
	integer(c, &r.N)
	c.time(&r.At)
	integer(c, &r.Result)
	integer(c, &r.Status)
	c.text(&r.Code)
	c.milliseconds(&r.RetryAfter)
	if c.reading { // most readers need no ids
		r.rawIDs, c.b = c.b, nil
		return
	}
	list(c, &r.IDs, 1, c.text)
}

func (r *InDoubt) code(c *coder) {
	c.form(&r.Form)
	integer(c, &r.N)
	c.time(&r.At)
	integer(c, &r.Status)
	c.text(&r.Code)
	c.milliseconds(&r.RetryAfter)
}

func (r *Revision) code(c *coder) {
	c.form(&r.Form)
	integer(c, &r.N)
	c.time(&r.At)
	integer(c, &r.Status)
	c.text(&r.Code)
	integer(c, &r.Number)
	list(c, &r.Parts, 37, func(p *plan.Form) {
		integer(c, &p.From)
		integer(c, &p.To)
		integer(c, &p.Messages)
		integer(c, &p.Bytes)
		c.bytes(p.Digest[:])
		c.positions(&p.Dropped)
	})
	last := ""
	list(c, &r.Refused, 3, func(row *RefusedRow) {
		integer(c, &row.Position)
		if c.text(&row.Code); c.reading && row.Code == last {
			row.Code = last // one string for all rows, which may be a whole cohort
		}
		last = row.Code
		c.text(&row.Reason)
	})
	switch { // older versions wrote no flag
	case !c.reading && r.Sure:
		c.number(1)
	case c.reading && len(c.b) > 0:
		r.Sure, c.failed = true, c.number(0) != 1 || c.failed
	}
}

func (r *Resolved) code(c *coder) {
	c.form(&r.Form)
	c.time(&r.At)
	integer(c, &r.Result)
	c.text(&r.Reason)
	if r.Result == ResultAccepted {
		list(c, &r.IDs, 1, c.text)
	}
}

func (r *Control) code(c *coder) {
	c.time(&r.At)
	c.text(&r.Verb)
	c.text(&r.Detail)
}

func (r *RunClosed) code(c *coder) {
	c.time(&r.At)
	for i := range r.Counts {
		integer(c, &r.Counts[i])
	}
}

func (r *ListedLate) code(c *coder) {
	integer(c, &r.Batch)
	c.time(&r.At)
	list(c, &r.People, 2, func(p *RefusedRow) {
		integer(c, &p.Position)
		c.text(&p.Code)
	})
}

func (r *Recovered) code(c *coder) {
	c.bytes(r.Plan[:])
	c.time(&r.At)
	c.time(&r.Since)
	c.text(&r.Hold)
	integer(c, &r.Attempts)
	integer(c, &r.Revisions)
	c.text(&r.Key)
	c.text(&r.Aside)
}
