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

// codeWindowClosed says that a request passed the gate and was not sent, because the window had closed since.
const codeWindowClosed = "window_closed"

type task struct {
	id      plan.FormID
	n       uint16 // number of the attempt
	again   bool   // a person has decided to send it again, at a service that takes it twice
	planned plan.Batch
	form    plan.Form
}

// result is the end of a task. Without attempt nothing was sent.
type result struct {
	task    task
	body    *plan.Body // of the request; the loop gives it back
	attempt *record.Attempt
	answer  engine.Answer
	took    time.Duration
	err     error

	named   bool   // a receipt names the message, and nothing was sent
	receipt string // the service's id in it
	unread  error  // why nobody knows; then nothing was sent
}

// workers execute tasks: build the request, wait for the gate, record the attempt, send.
// Everything that they share is safe for concurrent use.
type workers struct {
	builder  plan.Builder
	wait     func(ctx context.Context, messages int) (before time.Time, err error) // for the gate
	done     func(pace.Used)                                                       // called once for each wait without an error
	onAnswer func(engine.Answer)                                                   // called before another task begins
	log      *ledger.Log
	inbox    Inbox
	bodies   sync.Pool
	pace     campaign.Pace
	tasks    chan task
	results  chan result

	requests, messages atomic.Int64 // on the wire
}

// run executes tasks until there are no more. wait ends the wait for the gate, work cuts off requests under way.
func (w *workers) run(wait, work context.Context) {
	for t := range w.tasks {
		w.results <- w.execute(wait, work, t)
	}
}

func (w *workers) execute(wait, work context.Context, t task) (r result) {
	r.task = t
	r.body, _ = w.bodies.Get().(*plan.Body)
	if r.body == nil {
		r.body = &plan.Body{}
	}
	if r.err = w.builder.Rebuild(r.body, &t.planned, t.id, &t.form); r.err != nil {
		return r
	}
	before, err := w.wait(wait, len(r.body.Messages))
	if r.err = err; err != nil {
		return r
	}
	used := pace.Unsent
	defer func() { w.done(used) }()
	a := &record.Attempt{Form: t.id, N: t.n, At: time.Now()}
	_, _ = rand.Read(a.Correlation[:])
	a.Correlation[6], a.Correlation[8] = a.Correlation[6]&0x0F|0x40, a.Correlation[8]&0x3F|0x80 // a random UUID
	if r.err = w.log.Attempt(a); r.err != nil {
		return r
	}
	r.attempt = a
	start := time.Now()
	if o, ok := pace.NextOpening(w.pace, start); !ok || !o.IsOpen(start) {
		// The window closed after the gate: the disk was slow, or this process stood still.
		r.answer = engine.Answer{Reply: engine.Unsent, Code: codeWindowClosed}
		return r
	}
	if w.named(work, &r) {
		return r
	}
	messages := int64(len(r.body.Messages))
	w.requests.Add(1)
	w.messages.Add(messages)
	r.answer = w.builder.Sink.Send(work, &engine.Request{
		Reference: r.body.Reference, Correlation: a.Correlation, Body: r.body.Bytes, Messages: r.body.Messages, Before: before,
	})
	switch {
	case r.answer.Status != 0:
		used = pace.Answered
	case r.answer.Reply != engine.Unsent:
		used = pace.Unanswered
	}
	w.requests.Add(-1)
	w.messages.Add(-messages)
	r.took = time.Since(start)
	w.onAnswer(r.answer)
	return r
}
