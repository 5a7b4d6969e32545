package engine

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"cohort/engine/campaign"
)

// codeWindowClosed is why a request was not sent that the gate had let through.
const codeWindowClosed = "window_closed"

// errand is one form on its way to the service.
type errand struct {
	id      FormID
	n       uint16 // number of the attempt
	planned PlannedBatch
	form    Form
}

// result is what came of an errand. Without attempt nothing was sent.
type result struct {
	errand  errand
	body    *body // of the request; the loop gives it back
	attempt *attempt
	answer  Answer
	took    time.Duration
	err     error
}

// workers carry errands out: build the request, wait for the gate, record the
// attempt, send. Everything they share is safe for concurrent use.
type workers struct {
	builder builder
	gate    Pacer
	hold    func(Answer)
	log     *ProgressLog
	bodies  sync.Pool
	pace    campaign.Pace
	errands chan errand
	results chan result

	requests, messages atomic.Int64 // on the wire
}

// run carries out errands until there are no more. wait ends the waiting for the
// gate, work cuts off requests under way.
func (w *workers) run(wait, work context.Context) {
	for e := range w.errands {
		r := w.carry(wait, work, e)
		r.errand = e
		w.results <- r
	}
}

func (w *workers) carry(wait, work context.Context, e errand) (r result) {
	r.body, _ = w.bodies.Get().(*body)
	if r.body == nil {
		r.body = &body{}
	}
	if r.err = w.builder.rebuild(r.body, &e.planned, e.id, &e.form); r.err != nil {
		return r
	}
	if r.err = w.gate.WaitN(wait, len(r.body.messages)); r.err != nil {
		return r
	}
	a := &attempt{Form: e.id, N: e.n, At: time.Now()}
	_, _ = rand.Read(a.Correlation[:])
	a.Correlation[6], a.Correlation[8] = a.Correlation[6]&0x0F|0x40, a.Correlation[8]&0x3F|0x80 // a random UUID
	if r.err = w.log.Attempt(a); r.err != nil {
		return r
	}
	r.attempt = a
	start := time.Now()
	if o, ok := NextOpening(w.pace, start); !ok || !o.IsOpen(start) {
		// The window has closed since the gate let us through: the disk was slow, or this
		// process stood still.
		r.answer = Answer{Reply: Unsent, Code: codeWindowClosed}
		return r
	}
	w.requests.Add(1)
	w.messages.Add(int64(len(r.body.messages)))
	defer func() {
		w.requests.Add(-1)
		w.messages.Add(-int64(len(r.body.messages)))
	}()
	r.answer = w.builder.sink.Send(work, &Request{
		Reference: r.body.reference, Correlation: a.Correlation, Body: r.body.bytes, Messages: r.body.messages,
	})
	r.took = time.Since(start)
	w.hold(r.answer)
	return r
}
