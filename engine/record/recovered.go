package record

import (
	"time"

	"cohort/engine/plan"
)

type Resolved struct {
	Form   plan.FormID
	At     time.Time
	Result Result   // AcceptedUnknown, Held, Replay or Resend; Accepted: the service's receipts told
	Reason string   // that the person gave
	IDs    []string // with Accepted: of the messages, in the body's order
}

type Recovered struct {
	Plan      [32]byte
	At        time.Time
	Since     time.Time // no attempt was made before
	Hold      string    // why nothing may be replayed: one of the holds; empty: it may
	Attempts  uint64    // requests that the run is known to have made; there may have been more
	Revisions uint64    // records that follow
	Key       string    // fingerprint of the credential under which the references are remembered; empty: not known
	Aside     string    // where the log that this one replaces was put; empty: there was none
}

func (r *Resolved) Encode(e *Encoder) {
	e.form(r.Form)
	e.time(r.At)
	e.uint(uint64(r.Result))
	e.Text(r.Reason)
	if r.Result == ResultAccepted {
		e.uint(uint64(len(r.IDs)))
		for _, id := range r.IDs {
			e.Text(id)
		}
	}
}

func (r *Recovered) Encode(e *Encoder) {
	e.bytes(r.Plan[:])
	e.time(r.At)
	e.time(r.Since)
	e.Text(r.Hold)
	e.uint(r.Attempts)
	e.uint(r.Revisions)
	e.Text(r.Key)
	e.Text(r.Aside)
}

func (r *Resolved) decode(d *Decoder) {
	*r = Resolved{Form: d.form(), At: d.time(), Result: Result(d.uint()), Reason: d.text()}
	if r.Result == ResultAccepted {
		for range d.Count(1) {
			r.IDs = append(r.IDs, d.text())
		}
	}
}

func (r *Recovered) decode(d *Decoder) {
	*r = Recovered{Plan: d.digest(), At: d.time(), Since: d.time(), Hold: d.text(), Attempts: d.uint(), Revisions: d.uint(), Key: d.text(), Aside: d.text()}
}
