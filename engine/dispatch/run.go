package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
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
		stop := broken(job.Log, err)
		_ = job.Log.End(time.Now(), record.ControlHalted, stop.Error()) // as far as it can
		return Summary{Account: job.Log.Ledger.Account(), Attempts: job.Log.Ledger.Attempts}, stop
	}
	if job.Opened != nil {
		if err := job.Opened(); err != nil {
			_ = job.Log.End(time.Now(), record.ControlStopped, "before anything was sent: "+err.Error()) // as far as it can
			return Summary{Account: job.Log.Ledger.Account()}, err
		}
	}
	r := newRun(job, stopWaiting)
	var pool sync.WaitGroup
	for range job.Ceiling {
		pool.Go(func() { r.workers.run(wait, work) })
	}
	if job.Log.Ledger.Paused != "" {
		r.apply(ledger.Command{Verb: record.VerbPause})
	}
	r.tick()
	err := r.loop(ctx, wait, cutOff)
	close(r.workers.errands)
	pool.Wait()
	return r.end(err)
}

// run is one Run's state. Its loop's goroutine owns all of it but workers and gate.
type run struct {
	job     Job
	queue   *queue
	workers *workers
	gate    *pace.Gate
	tempo   *pace.Controller

	inHand    int   // errands with the workers
	bytes     int64 // of their requests
	pool      pool  // how many there may be
	latency   latencies
	refusals  refusals
	retries   Retries
	goodSoFar map[uint32]int // of batches that are not settled: messages that the service looked at and did not refuse
	health    health
	silence   silence
	trouble   string          // what the latest answer that settled nothing tells; empty: there was none
	idle      pace.WaitNotice // for the time at which something may be sent again
	waiting   waiting
	lists     lists
	began     time.Time
	count     time.Time // when the account is added up again
	clock     clocks    // as they were when a person last stood by them: at the start, or when he let the run continue
	clockSet  bool      // the run paused itself because they had parted
	short     time.Time // the opening of which it was said that it is not enough
	late      bool      // it was said that the time to finish by will not be kept

	stopWaiting func()
	stop        error // why nothing new is started; nil while something is
	broken      error // a defect, which outranks stop
	scratch     plan.Body
}

// waiting is what the gate waits for. Workers set it and the loop reads it.
type waiting struct {
	mu    sync.Mutex
	until time.Time
	why   string
}

func newRun(job Job, stopWaiting func()) *run {
	now := time.Now()
	r := &run{job: job, queue: newQueue(job.Log.Ledger, job.Sink.Kind(), job.Settle, now), refusals: refusals{rule: job.StopIf}, goodSoFar: map[uint32]int{}, retries: Retries{}, stopWaiting: stopWaiting}
	r.health.good = now
	r.began = now
	r.clock = r.clocks(now)
	r.tempo = &pace.Controller{Pace: job.Pace, Slack: 2 * job.Plan.Largest, Lever: job.Log.Ledger.Override, Left: ledger.Unsent(job.Log.Ledger.Account())}
	r.gate = pace.NewGate(job.Pace, job.OneWindow, job.Plan.Largest, now, r.waits)
	r.gate.Rate = r.tempo.Rate
	r.gate.Hold(job.Log.Ledger.QuietAt(now), job.Service+" asked for quiet before this start")
	r.tempo.Load.Keep(job.Log.Ledger.QuietAt(now))
	r.lists.read, r.gate.Lists = job.Lists, job.Lists != nil
	r.workers = &workers{
		builder: plan.Builder{Run: job.Plan.Run, Source: job.Source, Sink: job.Sink}, gate: r.gate, hold: r.hold, log: job.Log,
		errands: make(chan task, job.Ceiling), results: make(chan result, job.Ceiling), pace: job.Pace,
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
		at := until.In(r.job.Pace.Location)
		r.job.Logger.Info("waiting: "+pace.WaitText(why, at, time.Now()), "until", at.Format(time.DateTime+" MST"))
	}
	r.waiting.until, r.waiting.why = until, why
}

// loop hands out errands and takes their results until there are no more of either.
func (r *run) loop(ctx, waitCtx context.Context, cutOff func()) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var grace <-chan time.Time
	stopped, failed := ctx.Done(), r.job.Log.Failed()
	for {
		wait := r.handOut(waitCtx)
		if wait == 0 && r.inHand == 0 && r.lists.coming == nil {
			return r.stop
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
			if r.inHand == 0 {
				r.idle.Say(r.gate, pace.Wait{Until: r.queue.again[0].due, Why: cmp.Or(r.trouble, r.job.Service+" asked for time before this start")})
			}
		}
		select {
		case result := <-r.workers.results:
			r.drain(result)
		case b, more := <-r.lists.coming:
			r.listed(b, more)
		case <-due:
		case <-tick.C:
			r.tick()
		case p := <-r.job.Levers:
			r.ordered(p)
		case <-stopped:
			stopped = nil
			r.halt(interruptedBy(ctx))
			if grace == nil {
				grace = time.After(r.job.Grace)
			}
		case <-failed:
			failed = nil
			r.halt(broken(r.job.Log, r.job.Log.Err()))
		case <-grace:
			cutOff()
		}
	}
}

// interruptedBy says what has cancelled a run.
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

// back takes a result back, and others that have come meanwhile.
func (r *run) drain(res result) {
	for n := 0; ; n++ {
		r.inHand--
		r.bytes -= int64(res.errand.form.Bytes)
		r.settle(res)
		if n == r.job.Ceiling { // whatever else there is has its turn
			return
		}
		select {
		case res = <-r.workers.results:
		default:
			return
		}
	}
}

// handOut gives the workers as many errands as they may have. When none is left that may
// be handed out now, wait is how long until one may be: 0 when only a result can change
// that.
func (r *run) handOut(ctx context.Context) (wait time.Duration) {
	for {
		now := time.Now()
		if r.stop != nil || r.lists.coming != nil || r.inHand >= r.poolSize(now) {
			return 0
		}
		if o, _ := pace.NextOpening(r.job.Pace, now); r.lists.due(o, now) {
			if r.inHand == 0 {
				r.lists.begin(ctx, r.job.Plan, r.job.Log.Ledger.Lists, o, now)
			}
			return 0
		}
		e, wait, ok := r.ready(now)
		if !ok || r.inHand > 0 && r.bytes+int64(e.form.Bytes) > r.job.Budget {
			return wait
		}
		if r.health.probing {
			r.gate.Probe(1)
		}
		r.idle.Over(r.gate)
		r.queue.take(e.id)
		r.inHand++
		r.bytes += int64(e.form.Bytes)
		r.workers.errands <- e // there is room for as many as may be in hand
	}
}

// ready returns the next errand, which stays in the queue; or how long until there is
// one, 0 when only a result can change that.
func (r *run) ready(now time.Time) (e task, wait time.Duration, ok bool) {
	for {
		id, wait, ok := r.queue.next(now)
		if !ok {
			return e, wait, false
		}
		planned, err := r.job.Plan.Batch(id.Batch)
		if err == nil {
			e = task{id: id, n: r.job.Log.Ledger.State(id).Attempts + 1, planned: planned, form: planned.Form}
			if id.Revision > 0 {
				e.form, err = r.job.Log.Ledger.Form(id)
			}
		}
		if err != nil {
			r.fail(err)
			return e, 0, false
		}
		changed, err := r.leaveOutLate(id, planned, e.form)
		if err != nil {
			r.logFailed(err)
			return e, 0, false
		}
		if !changed {
			return e, 0, true
		}
	}
}

// pool is how many requests may be under way at once, as it was worked out last.
type pool struct {
	size int
	at   time.Time
}

// poolLook is how long a pool's size holds. It hangs on many things, and follows none of
// them at once.
const poolLook = 10 * time.Millisecond

func (r *run) poolSize(now time.Time) int {
	if r.health.probing {
		return 1
	}
	if r.pool.size == 0 || now.Sub(r.pool.at) >= poolLook {
		o, _ := pace.NextOpening(r.job.Pace, now)
		ceiling := max(1, int(float64(r.job.Ceiling)*r.tempo.Pool(now)))
		r.pool = pool{PoolSize(r.tempo.Rate(o, now)/float64(max(1, r.job.Plan.Largest)), r.latency.p95(), ceiling), now}
	}
	return r.pool.size
}

// halt lets nothing new start. The first reason given is the one that counts.
func (r *run) halt(why *Stopped) {
	if r.stop == nil {
		r.stop = why
		r.stopWaiting()
	}
}

// logFailed ends the run because of an error in recording what was decided.
func (r *run) logFailed(err error) {
	if errors.Is(err, journal.ErrFull) || errors.Is(err, journal.ErrPoisoned) {
		r.halt(broken(r.job.Log, err))
		return
	}
	if diskFailed(err) {
		r.halt(&Stopped{Code: "disk_failed", Why: "the disk of the run's folder cannot be read or written; mend it, or bring the folder to another", Cause: err, Halt: true})
		return
	}
	r.fail(err)
}

// fail ends the run because of a defect.
func (r *run) fail(err error) {
	if r.broken == nil {
		r.broken = err
	}
	r.halt(&Stopped{Code: "cannot_go_on", Why: "the run cannot go on", Cause: err, Halt: true})
}

func (r *run) snapshot() Snapshot {
	now := time.Now()
	account, left := r.job.Log.Ledger.Tally()
	s := Snapshot{At: now, Account: account, Left: left, Attempts: r.job.Log.Ledger.Attempts, Revisions: r.job.Log.Copied, InFlight: int(r.workers.messages.Load()), Requests: int(r.workers.requests.Load())}
	o, ok := pace.NextOpening(r.job.Pace, now)
	if ok {
		s.Rate, s.Closes = r.tempo.Rate(o, now), o.Closes
		// A batch is what a run on its even line may lack.
		if s.Remain = pace.Remaining(o, ledger.Unsent(s.Account), s.Rate, now); s.Remain <= int64(r.job.Plan.Largest) {
			s.Remain = 0
		}
	}
	s.Paused, s.Latency, s.Retries = r.job.Log.Ledger.Paused != "", r.latency.spread(), maps.Clone(r.retries)
	r.waiting.mu.Lock()
	s.Waiting, s.Until = r.waiting.why, r.waiting.until
	r.waiting.mu.Unlock()
	switch {
	case s.Paused:
		s.State = ledger.Paused
	case ok && !o.IsOpen(now):
		s.State = ledger.WaitingWindow
	case s.Waiting != "" || r.health.probing:
		s.State = ledger.WaitingService
	default:
		s.State = ledger.Sending
	}
	return s
}

// end records how the run ended and adds it up.
func (r *run) end(stop error) (Summary, error) {
	r.job.Progress(r.snapshot())
	s := Summary{Account: r.job.Log.Ledger.Account(), Attempts: r.job.Log.Ledger.Attempts, Revisions: r.job.Log.Copied}
	s.Routes = r.job.Log.Ledger.ByRoute()
	if err := cmp.Or(r.broken, s.Account.Check(), ledger.CheckRoutes(s.Routes, s.Account)); err != nil {
		_ = r.job.Log.End(time.Now(), record.ControlHalted, "a defect: "+err.Error()) // as far as it still can
		return s, err
	}
	live, held, foreign := r.job.Log.Ledger.Unsettled()
	s.Held, s.Foreign, s.Finished = held, foreign, live == 0 && foreign == 0
	s.ListedLate = r.job.Log.Ledger.ListedLate()
	return s, r.noteEnd(stop, s)
}

// noteEnd records how the run ended, and returns why it stopped, if it did.
func (r *run) noteEnd(stop error, s Summary) (err error) {
	now, why := time.Now(), (*Stopped)(nil)
	inDoubt := s.Account.Fates[person.InDoubt]
	switch {
	case errors.As(stop, &why) && why.Halt:
		err = r.job.Log.End(now, record.ControlHalted, why.Error())
	case !s.Finished && stop != nil:
		err = r.job.Log.End(now, record.ControlStopped, stop.Error())
	case !s.Finished:
		err = r.job.Log.End(now, record.ControlStopped, "what could be settled is settled, and nothing else was sent")
	case inDoubt > 0:
		err = r.job.Log.End(now, record.ControlInDoubt, fmt.Sprintf("%d messages, and no replay can settle them", inDoubt))
	default:
		if err = r.job.Log.Finish(now, s.Account); err == nil {
			return nil
		}
		stop = broken(r.job.Log, err)
		_ = r.job.Log.End(now, record.ControlHalted, stop.Error()) // as far as it still can
		return stop
	}
	if stop == nil && err != nil {
		stop = broken(r.job.Log, err)
	}
	return stop
}
