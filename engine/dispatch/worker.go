package dispatch

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// codeWindowClosed is why a request was not sent that the gate had let through.
const codeWindowClosed = "window_closed"

// errand is one form on its way to the service.
type task struct {
	id      plan.FormID
	n       uint16 // number of the attempt
	planned plan.Batch
	form    plan.Form
}

// result is what came of an errand. Without attempt nothing was sent.
type result struct {
	errand  task
	body    *plan.Body // of the request; the loop gives it back
	attempt *record.Attempt
	answer  engine.Answer
	took    time.Duration
	err     error
}

// workers carry errands out: build the request, wait for the gate, record the
// attempt, send. Everything they share is safe for concurrent use.
type workers struct {
	builder plan.Builder
	gate    pace.Pacer
	hold    func(engine.Answer)
	log     *ledger.Log
	bodies  sync.Pool
	pace    campaign.Pace
	errands chan task
	results chan result

	requests, messages atomic.Int64 // on the wire
}

// run carries out errands until there are no more. wait ends the waiting for the
// gate, work cuts off requests under way.
func (w *workers) run(wait, work context.Context) {
	for e := range w.errands {
		r := w.execute(wait, work, e)
		r.errand = e
		w.results <- r
	}
}

func (w *workers) execute(wait, work context.Context, e task) (r result) {
	r.body, _ = w.bodies.Get().(*plan.Body)
	if r.body == nil {
		r.body = &plan.Body{}
	}
	if r.err = w.builder.Rebuild(r.body, &e.planned, e.id, &e.form); r.err != nil {
		return r
	}
	if r.err = w.gate.WaitN(wait, len(r.body.Messages)); r.err != nil {
		return r
	}
	a := &record.Attempt{Form: e.id, N: e.n, At: time.Now()}
	_, _ = rand.Read(a.Correlation[:])
	a.Correlation[6], a.Correlation[8] = a.Correlation[6]&0x0F|0x40, a.Correlation[8]&0x3F|0x80 // a random UUID
	if r.err = w.log.Attempt(a); r.err != nil {
		return r
	}
	r.attempt = a
	start := time.Now()
	if o, ok := pace.NextOpening(w.pace, start); !ok || !o.IsOpen(start) {
		// The window has closed since the gate let us through: the disk was slow, or this
		// process stood still.
		r.answer = engine.Answer{Reply: engine.Unsent, Code: codeWindowClosed}
		return r
	}
	w.requests.Add(1)
	w.messages.Add(int64(len(r.body.Messages)))
	defer func() {
		w.requests.Add(-1)
		w.messages.Add(-int64(len(r.body.Messages)))
	}()
	r.answer = w.builder.Sink.Send(work, &engine.Request{
		Reference: r.body.Reference, Correlation: a.Correlation, Body: r.body.Bytes, Messages: r.body.Messages,
	})
	r.took = time.Since(start)
	w.hold(r.answer)
	return r
}
