package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"cohort/engine/journal"
	"cohort/ingest/person"
)

// Run sends what a plan still has to send, and returns when every record has its
// final fate or when the run must stop. Cancelling ctx stops it: nothing new is
// started, and requests under way may finish within the job's grace. Nothing that
// Run starts outlives it.
//
//	queue ──▶ workers: build ─▶ gate ─▶ attempt into the log ─▶ send ──▶ loop: Decide ─▶ log ─▶ queue
//
// An error of type *Stopped says that the run can be resumed; others are defects.
func Run(ctx context.Context, job Job) (Summary, error) {
	job = job.withDefaults()
	wait, stopWaiting := context.WithCancel(ctx)
	defer stopWaiting()
	work, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()

	if err := job.Log.Open(job.Start); err != nil {
		return Summary{}, &Stopped{Why: "the run could not be opened", Cause: err, Halt: true}
	}
	r := newRun(job, stopWaiting)
	var pool sync.WaitGroup
	for range job.Ceiling {
		pool.Go(func() { r.workers.run(wait, work) })
	}
	err := r.loop(ctx, cutOff)
	close(r.workers.errands)
	pool.Wait()
	return r.end(err)
}

// run is one Run's state. Its loop's goroutine owns all of it but workers and gate.
type run struct {
	Job
	queue   *queue
	workers *workers
	gate    *gate

	inHand   int // errands with the workers
	latency  latencies
	refusals refusals
	silent   time.Time // since when there has been no answer at all; zero: there was one
	failures int       // rounds of them, over all requests, since one went well
	failed   time.Time // when the latest was counted
	waiting  waiting

	stopWaiting func()
	stop        error // why nothing new is started; nil while something is
	broken      error // a defect, which outranks stop
	scratch     body
}

// waiting is what the gate waits for. Workers set it and the loop reads it.
type waiting struct {
	mu    sync.Mutex
	until time.Time
	why   string
}

func newRun(job Job, stopWaiting func()) *run {
	now := time.Now()
	r := &run{Job: job, queue: newQueue(job.Log.Ledger, job.Sink.Kind(), now), refusals: refusals{rule: job.StopIf}, stopWaiting: stopWaiting}
	r.gate = newGate(job.Pace, job.OneWindow, job.Plan.Largest, now, r.waits)
	r.workers = &workers{
		builder: builder{run: job.Plan.Run, source: job.Source, sink: job.Sink}, gate: r.gate, log: job.Log,
		errands: make(chan errand), results: make(chan result), pace: job.Pace,
	}
	return r
}

// worthSaying is how long a wait must be for an operator to hear of it.
const worthSaying = 10 * time.Second

// waits is called by the gate when a wait begins and, with no reason, when it ends.
func (r *run) waits(until time.Time, why string) {
	r.waiting.mu.Lock()
	defer r.waiting.mu.Unlock()
	if why != "" && time.Until(until) > worthSaying {
		r.Logger.Info("waiting: "+why, "until", until.In(r.Pace.Location).Format(time.DateTime+" MST"))
	}
	r.waiting.until, r.waiting.why = until, why
}

// loop hands out errands and takes their results until there are no more of either.
func (r *run) loop(ctx context.Context, cutOff func()) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var grace <-chan time.Time
	stopped, failed := ctx.Done(), r.Log.Failed()
	for {
		next, wait, out := r.ready()
		if out == nil && wait == 0 && r.inHand == 0 {
			return r.stop
		}
		due := time.NewTimer(wait)
		if wait == 0 {
			due.Stop()
		}
		select {
		case out <- next:
			r.queue.take(next.id)
			r.inHand++
		case result := <-r.workers.results:
			r.inHand--
			r.settle(result)
		case <-due.C:
		case <-tick.C:
			r.Progress(r.snapshot())
		case <-stopped:
			stopped = nil
			r.halt(&Stopped{Why: "stopped by a signal"})
			if grace == nil {
				grace = time.After(r.Grace)
			}
		case <-failed:
			failed = nil
			r.halt(&Stopped{Why: "the progress log cannot be written", Cause: r.Log.Err(), Halt: true})
		case <-grace:
			cutOff()
		}
		due.Stop()
	}
}

// ready returns the next errand with the channel that takes it; or, when none may be
// handed out now, how long until one may be: 0 when only a result can change that.
func (r *run) ready() (e errand, wait time.Duration, out chan<- errand) {
	if r.stop != nil || r.inHand >= r.poolSize() {
		return e, 0, nil
	}
	id, wait, ok := r.queue.next(time.Now())
	if !ok {
		return e, wait, nil
	}
	planned, err := r.Plan.Batch(id.Batch)
	if err == nil {
		e = errand{id: id, n: r.Log.State(id).Attempts + 1, planned: planned}
		e.form, err = r.Log.Form(id)
	}
	if err != nil {
		r.fail(err)
		return e, 0, nil
	}
	return e, 0, r.workers.errands
}

func (r *run) poolSize() int {
	o, _ := NextOpening(r.Pace, time.Now())
	return PoolSize(o.Rate/float64(max(1, r.Plan.Largest)), r.latency.p95(), r.Ceiling)
}

// halt lets nothing new start. The first reason given is the one that counts.
func (r *run) halt(why *Stopped) {
	if r.stop == nil {
		r.stop = why
		r.stopWaiting()
	}
}

// fail ends the run because of a defect.
func (r *run) fail(err error) {
	if r.broken == nil {
		r.broken = err
	}
	r.halt(&Stopped{Why: "the run cannot go on", Cause: err, Halt: true})
}

// settle does what the protocol says about one answer.
func (r *run) settle(res result) {
	defer r.workers.bodies.Put(res.body)
	if res.attempt == nil {
		r.notStarted(res)
		return
	}
	if err := r.Log.attempted(res.attempt); err != nil {
		r.fail(err)
		return
	}
	now := time.Now()
	res.answer = sane(res.answer, len(res.body.messages))
	r.note(res, now)
	step := Decide(r.Sink.Kind(), r.Log.State(res.errand.id), res.answer, now)
	if err := r.take(step, res, now); err != nil {
		if full := (*journal.CorruptError)(nil); errors.As(err, &full) || errors.Is(err, ErrIllegal) || errors.Is(err, ErrChanged) {
			r.fail(err)
			return
		}
		r.halt(&Stopped{Why: "the progress log cannot be written", Cause: err, Halt: true})
		return
	}
	if res.answer.Halt != "" {
		r.halt(&Stopped{Why: res.answer.Halt, Halt: true})
	}
}

// sane turns an answer that does not fit a request of n messages into what it is: not
// understood.
func sane(a Answer, n int) Answer {
	fits := true
	switch a.Reply {
	case Accepted:
		fits = len(a.IDs) == n
	case RowsRefused:
		fits = len(a.Rows) > 0 && !slices.ContainsFunc(a.Rows, func(r RowError) bool { return r.Index < 0 || r.Index >= n })
	}
	if fits {
		return a
	}
	return Answer{Status: a.Status, Code: "misfit", Halt: "the sink gave an answer that does not fit its request; this is a defect of cohort"}
}

// notStarted takes back an errand of which nothing was sent.
func (r *run) notStarted(res result) {
	r.queue.add(res.errand.id, time.Now())
	switch {
	case errors.Is(res.err, errWindowOver):
		r.halt(&Stopped{Why: "the window has ended"})
	case errors.Is(res.err, errUntilOver):
		r.halt(&Stopped{Why: "pace.until has passed; move it in the campaign file to go on"})
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded): // the loop hears it too
	case errors.Is(res.err, journal.ErrFull), errors.Is(res.err, journal.ErrPoisoned):
		r.halt(&Stopped{Why: "the progress log cannot be written", Cause: res.err, Halt: true})
	default:
		r.fail(res.err)
	}
}

// take records what a step means and puts back in the queue what is to be sent again.
func (r *run) take(step Step, res result, now time.Time) error {
	id, n, a := res.errand.id, res.attempt.N, res.answer
	o := &outcome{Form: id, N: n, At: now, Status: a.Status, Code: a.Code}
	switch step {
	case StepAccept:
		o.Result, o.IDs = ResultAccepted, a.IDs
	case StepAcceptUnknown:
		o.Result = ResultAcceptedUnknown
	case StepAgain:
		o.Result = ResultNotAccepted
		r.queue.add(id, now.Add(r.pause(res)))
	case StepHold:
		o.Result = ResultHeld
		r.Logger.Warn("a batch is in doubt and no replay can settle it", "batch", res.body.reference.String(), "status", a.Status, "code", a.Code)
	case StepForeign:
		o.Result = ResultForeign
		r.halt(&Stopped{Why: foreignHalt(res.body.reference), Halt: true})
	case StepReplay:
		d := &inDoubt{Form: id, N: n, At: now, Status: a.Status, Code: a.Code}
		r.queue.add(id, now.Add(r.pause(res)))
		return r.Log.answer(recordInDoubt, d, d.encode)
	case StepRevise:
		return r.revise(res, r.refusedRows(res), now)
	case StepSplit:
		return r.split(res, now)
	}
	if step == StepAccept || step == StepAcceptUnknown {
		r.count(int(res.errand.form.Messages), 0)
	}
	return r.Log.answer(recordOutcome, o, o.encode)
}

func foreignHalt(reference Reference) string {
	return fmt.Sprintf("the service already holds batch %s, which this run's log never sent: the log may have been restored from a backup, or another copy of this run is at work. Nothing more is sent until a person has found out", reference)
}

// count feeds the rule that halts a run in which too much is refused.
func (r *run) count(total, refused int) {
	if r.refusals.add(total, refused) {
		r.halt(&Stopped{Why: fmt.Sprintf("more than %g %% of the latest %d messages were refused (stop_if); look at the reasons in the report before going on",
			r.StopIf.Refused*100, r.StopIf.Of), Halt: true})
	}
}

// pause is how long a form waits before it is sent again.
func (r *run) pause(res result) time.Duration {
	if res.answer.RetryAfter > 0 {
		return res.answer.RetryAfter
	}
	return Backoff(int(res.attempt.N), rand.Float64())
}

// patience is how many rounds of failures are taken for single requests' bad luck.
const patience = 4

// note learns from an answer what concerns every request: how long one takes, whether
// the service asks for quiet, whether it is there at all.
func (r *run) note(res result, now time.Time) {
	a := res.answer
	if a.Status != 0 {
		r.latency.add(res.took)
		r.silent = time.Time{}
	} else if o, _ := NextOpening(r.Pace, res.attempt.At); r.silent.IsZero() || r.silent.Before(o.Opens) {
		r.silent = res.attempt.At // what was not answered before this window tells nothing of the night between
	}
	switch {
	case a.HoldAll && a.RetryAfter > 0:
		r.gate.Hold(now.Add(a.RetryAfter), fmt.Sprintf("the service asked for quiet (%d %s)", a.Status, a.Code))
	case a.Reply == Accepted, a.Reply == Known, a.Reply == RowsRefused:
		r.failures = 0
	case a.HoldAll, a.Reply == Unknown, a.Reply == Unsent:
		// One failure is that request's business. Several in a row are the service's, and
		// then every request holds back, so that it is not kept down by our knocking. What
		// was under way together when the service failed counts once.
		if res.attempt.At.After(r.failed) {
			r.failures, r.failed = r.failures+1, now
		}
		if rounds := r.failures - patience; rounds > 0 || a.HoldAll {
			r.gate.Hold(now.Add(min(time.Minute, Backoff(rounds, rand.Float64()))), fmt.Sprintf("the service does not answer well (%d %s)", a.Status, a.Code))
		}
	}
	switch a.Reply {
	case Unknown:
		r.Logger.Info("a request is in doubt and will be replayed", "batch", res.body.reference.String(), "messages", len(res.body.messages), "attempt", res.attempt.N, "status", a.Status, "code", a.Code)
	case Unsent:
		r.Logger.Info("a request could not be sent and will be tried again", "batch", res.body.reference.String(), "attempt", res.attempt.N, "code", a.Code)
	}
	if r.GiveUpAfter > 0 && !r.silent.IsZero() && now.Sub(r.silent) >= r.GiveUpAfter {
		r.halt(&Stopped{Why: fmt.Sprintf("there has been no answer at all for %s (give_up_after); check the network and the service's status page", r.GiveUpAfter), Halt: true})
	}
}

func (r *run) snapshot() Snapshot {
	now := time.Now()
	s := Snapshot{At: now, Account: r.Log.Account(), InFlight: int(r.workers.messages.Load()), Requests: int(r.workers.requests.Load())}
	if o, ok := NextOpening(r.Pace, now); ok {
		s.Rate, s.Closes = o.Rate, o.Closes
	}
	r.waiting.mu.Lock()
	s.Waiting, s.Until = r.waiting.why, r.waiting.until
	r.waiting.mu.Unlock()
	return s
}

// end records how the run ended and adds it up.
func (r *run) end(stop error) (Summary, error) {
	r.Progress(r.snapshot())
	s := Summary{Account: r.Log.Account()}
	if r.broken != nil {
		return s, r.broken
	}
	if err := s.Account.Check(); err != nil {
		return s, err
	}
	live, held, foreign := r.Log.Unsettled()
	s.Held, s.Finished = held, live == 0 && foreign == 0
	now := time.Now()
	var err error
	switch why := (*Stopped)(nil); {
	case errors.As(stop, &why) && why.Halt:
		err = r.Log.Control(now, controlHalted, why.Error())
	case stop != nil && !s.Finished:
		err = r.Log.Control(now, controlStopped, stop.Error())
	case s.Finished && s.Account.Fates[person.InDoubt] == 0:
		err, stop = r.Log.Finish(now, s.Account), nil
	}
	if stop == nil && err != nil {
		stop = &Stopped{Why: "the progress log cannot be written", Cause: err, Halt: true}
	}
	return s, stop
}
