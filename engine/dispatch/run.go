// Package dispatch runs a plan: it queues the forms, lets workers send them through the
// gate, and settles the answers in the progress log.
package dispatch

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Run sends what a plan still has to send, and returns when every record has its final fate
// or when the run must stop. Cancelling ctx stops it: nothing new starts, and requests under
// way may finish within the job's grace. Nothing that Run starts outlives it.
//
//	queue ─▶ workers: build ─▶ gate ─▶ attempt into the log ─▶ send ─▶ loop: Decide ─▶ log ─▶ queue
//
// After an error of type *Stopped the run can be resumed. After one that begin returns,
// nothing was attempted. Other errors are defects.
func Run(ctx context.Context, job Job) (Summary, error) {
	job = job.withDefaults()
	wait, stopWaiting := context.WithCancel(ctx)
	defer stopWaiting()
	work, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()

	if err := begin(&job); err != nil {
		return Summary{Account: job.Log.Ledger.Account(), Attempts: job.Log.Ledger.Facts().Attempts}, err
	}
	r := newRun(job, stopWaiting)
	var pool sync.WaitGroup
	for range job.Ceiling {
		pool.Go(func() { r.workers.run(wait, work) })
	}
	if r.ledger.Facts().Paused != "" {
		r.applyCommand(ledger.Command{Verb: record.VerbPause})
	}
	if now := time.Now(); !job.Settle && r.ledger.Facts().Paused == "" && ledger.Unsent(r.ledger.Account()) > 0 {
		job.Logger.Info("the pace is " + r.gate.Forecast(0, now).Text(job.Pace.Location, now))
	}
	r.tick()
	err := r.loop(ctx, wait, cutOff)
	close(r.workers.tasks)
	pool.Wait()
	return r.end(err)
}

// run is the state of one Run. The goroutine of its loop owns everything but workers and gate.
type run struct {
	job     Job
	log     *ledger.Log
	ledger  *ledger.Ledger // of log
	queue   *queue
	workers *workers
	gate    *pace.Gate

	inFlight  int   // tasks with the workers
	bytes     int64 // of their requests
	pool      pool
	latency   latencies
	speed     pace.Speed
	waited    time.Duration // see Own
	looked    time.Time     // when the latest snapshot was made
	breaker   breaker
	retries   Retries
	goodSoFar map[uint32]int // by batch that is not settled: messages that the service looked at and did not refuse
	health    health
	silence   silence
	trouble   string // the latest answer that settled nothing, in words; empty: there was none
	lists     lists
	clock     wallClock

	warnedWindow time.Time // the start of the window that was already logged as too short
	warnedFinish bool      // that FinishBy will not be kept was already logged

	stopWaiting func()
	stop        error // why nothing new starts; nil while something does
	defect      error // outranks stop
	scratch     plan.Body
}

func newRun(job Job, stopWaiting func()) *run {
	now, l := time.Now(), job.Log.Ledger
	r := &run{
		job: job, log: job.Log, ledger: l, queue: newQueue(l, job.Sink.Kind(), job.Settle, now), stopWaiting: stopWaiting,
		breaker: breaker{rule: job.StopIf}, goodSoFar: map[uint32]int{}, retries: Retries{},
		health: health{good: now}, lists: lists{read: job.Lists, inbox: job.Inbox}, clock: wallClock{began: now, wall: now.Round(0)},
	}
	if job.News {
		r.lists.zone = job.Pace.Location
	}
	r.gate = pace.New(pace.Options{
		Pace: job.Pace, OneWindow: job.OneWindow, Override: l.Facts().Override,
		Largest: job.Plan.Largest, Left: ledger.Unsent(l.Account()),
		Quiet: pace.Wait{Why: job.Service + " asked for quiet before this start", Until: l.QuietAt(now)},
		Lists: job.Lists != nil || job.Inbox != nil, Permits: job.Permits, OnWait: r.logWait,
	}, now)
	r.workers = &workers{
		builder: plan.Builder{References: job.Plan.References, Source: job.Source, Sink: job.Sink}, log: job.Log, inbox: job.Inbox, pace: job.Pace,
		wait: r.gate.WaitN, done: r.gate.Done, onAnswer: r.holdForQuiet,
		tasks: make(chan task, job.Ceiling), results: make(chan result, job.Ceiling),
	}
	return r
}

// logWait logs a wait of more than ten seconds. Workers call it too.
func (r *run) logWait(w pace.Wait) {
	if time.Until(w.Until) > 10*time.Second {
		zone := r.job.Pace.Location
		r.job.Logger.Info("waiting: "+w.Text(zone, time.Now()), "until", w.Until.In(zone).Format(time.DateTime+" MST"))
	}
}

// loop gives tasks to the workers and takes their results until there are no more of either.
func (r *run) loop(ctx, waitCtx context.Context, cutOff func()) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var grace <-chan time.Time
	stopped, failed := ctx.Done(), r.log.Failed()
	for {
		wait := r.handOut(waitCtx)
		if wait == 0 && r.inFlight == 0 && r.lists.coming == nil {
			return r.stop
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
			if r.inFlight == 0 {
				why := cmp.Or(r.trouble, r.job.Service+" asked for time before this start")
				r.gate.Announce(pace.Wait{Until: r.queue.again[0].due, Why: why})
			}
		}
		select {
		case result := <-r.workers.results:
			r.drain(result)
		case b, more := <-r.lists.coming:
			r.takeListed(waitCtx, b, more)
		case <-due:
		case <-tick.C:
			r.tick()
		case o := <-r.job.Orders:
			o.Done <- r.order(o, time.Now())
		case <-stopped:
			stopped = nil
			r.halt(interruptedBy(ctx))
			if grace == nil {
				grace = time.After(r.job.Grace)
			}
		case <-failed:
			failed = nil
			r.halt(logStopped(r.log, r.log.Err()))
		case <-grace:
			cutOff()
		}
	}
}

// interruptedBy names the signal or the person that cancelled a run.
func interruptedBy(ctx context.Context) *Stopped {
	cause := context.Cause(ctx)
	if stopped := (*Stopped)(nil); errors.As(cause, &stopped) {
		return stopped
	}
	if cause == context.Canceled || cause == context.DeadlineExceeded {
		return &Stopped{Code: "signal", Why: "stopped by a signal"}
	}
	return &Stopped{Code: "signal", Why: "stopped by " + cause.Error()}
}

// drain settles a result and those that have come since, but not more than Ceiling.
func (r *run) drain(res result) {
	for n := 0; ; n++ {
		r.inFlight--
		r.bytes -= int64(res.task.form.Bytes)
		r.settle(res)
		if n == r.job.Ceiling {
			return
		}
		select {
		case res = <-r.workers.results:
		default:
			return
		}
	}
}

// handOut gives the workers as many tasks as they may have. wait is the time until another
// may be given out; 0 when only a result can change that.
func (r *run) handOut(ctx context.Context) (wait time.Duration) {
	for {
		now := time.Now()
		if r.stop != nil || r.lists.coming != nil || r.inFlight >= r.poolSize(now) {
			return 0
		}
		if o, _ := pace.NextOpening(r.job.Pace, now); r.lists.due(o, now) {
			if r.inFlight == 0 {
				r.lists.begin(ctx, r, o, now)
			}
			return 0
		}
		t, wait, ok := r.ready(now)
		if !ok || r.inFlight > 0 && r.bytes+int64(t.form.Bytes) > r.job.Budget {
			return wait
		}
		if r.health.probing {
			r.gate.Probe(1)
		}
		if r.inFlight == 0 {
			r.gate.Announce(pace.Wait{})
		}
		r.queue.take(t.id)
		r.inFlight++
		r.bytes += int64(t.form.Bytes)
		r.workers.tasks <- t // the channel has room for every task in flight
	}
}

// ready returns the next task and leaves it in the queue. Without one, wait is the time until
// there is; 0 when only a result can change that.
func (r *run) ready(now time.Time) (t task, wait time.Duration, ok bool) {
	for {
		id, wait, ok := r.queue.next(now)
		if !ok {
			return t, wait, false
		}
		planned, err := r.job.Plan.Batch(id.Batch)
		if err == nil {
			s := r.ledger.State(id)
			t = task{id: id, n: s.Attempts + 1, again: s.Resend.IsDue(), planned: planned, form: planned.Form}
			if id.Revision > 0 {
				t.form, err = r.ledger.Form(id)
			}
		}
		if err != nil {
			r.fail(err)
			return t, 0, false
		}
		changed, err := r.leaveOutLate(id, planned, t.form)
		if err != nil {
			r.stepFailed(err)
			return t, 0, false
		}
		if !changed {
			return t, 0, true
		}
	}
}

// halt lets nothing new start. The first reason counts.
func (r *run) halt(why *Stopped) {
	if r.stop == nil {
		r.stop = why
		r.stopWaiting()
	}
}

// stepFailed stops the run when a step could not be carried out or noted.
func (r *run) stepFailed(err error) {
	switch {
	case errors.Is(err, journal.ErrFull), errors.Is(err, journal.ErrPoisoned):
		r.halt(logStopped(r.log, err))
	case isDiskFailure(err):
		why := "the disk of the run's folder cannot be read or written; repair it, or bring the folder to another"
		r.halt(&Stopped{Code: "disk_failed", Why: why, Cause: err, Halt: true})
	default:
		r.fail(err)
	}
}

func (r *run) fail(err error) {
	r.defect = cmp.Or(r.defect, err)
	r.halt(&Stopped{Code: "cannot_go_on", Why: "the run cannot go on", Cause: err, Halt: true})
}
