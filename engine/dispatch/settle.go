package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// settle does what the protocol says about one result.
func (r *run) settle(res result) {
	defer r.workers.bodies.Put(res.body)
	if res.attempt == nil {
		r.takeBack(res)
		return
	}
	if err := r.log.Attempted(res.attempt); err != nil {
		r.fail(err)
		return
	}
	now := time.Now()
	res.answer = checked(res.answer, len(res.body.Messages))
	r.learn(res, now)
	step := ledger.Decide(r.job.Sink.Kind(), r.ledger.State(res.task.id), res.answer, now)
	if err := r.applyStep(step, res, now); err != nil {
		r.stepFailed(err)
		return
	}
	if err := r.settleNamed(res, now); err != nil {
		r.stepFailed(err)
		return
	}
	switch a := res.answer; {
	case a.Code == engine.CodeKeyReplaced:
		r.halt(&Stopped{Code: engine.CodeKeyReplaced, Why: a.Halt})
	case a.Halt != "":
		r.halt(&Stopped{Code: "halted_by_service", Why: a.Halt, Halt: true})
	}
}

// checked returns an answer to a request of n messages. An answer that does not fit halts the run.
func checked(a engine.Answer, n int) engine.Answer {
	fits := true
	switch a.Reply {
	case engine.Accepted:
		fits = len(a.IDs) == n && !a.NoIDs || len(a.IDs) == 0 && a.NoIDs
	case engine.RowsRefused:
		outside := func(r engine.RowError) bool { return r.Index < 0 || r.Index >= n }
		fits = len(a.Rows) > 0 && !slices.ContainsFunc(a.Rows, outside)
	}
	if fits {
		return a
	}
	why := "the sink gave an answer that does not fit its request; this is a defect of cohort"
	return engine.Answer{Status: a.Status, Code: "misfit", Halt: why}
}

// takeBack puts a task back in the queue when nothing of it was sent.
func (r *run) takeBack(res result) {
	r.queue.add(res.task.id, time.Now())
	switch {
	case errors.Is(res.err, pace.ErrNewWindow): // the loop reads the lists first
	case errors.Is(res.err, pace.ErrProbing): // the loop sends single requests
	case errors.Is(res.err, pace.ErrWindowOver):
		r.halt(&Stopped{Code: "window_over", Why: "the window has ended"})
	case errors.Is(res.err, pace.ErrUntilOver):
		r.halt(&Stopped{Code: "campaign_is_over", Why: "pace.until has passed; move it in the campaign file to go on"})
	case errors.Is(res.err, pace.ErrPermits):
		r.halt(&Stopped{Code: "share_failed", Why: "no permits to send (pace.share)", Cause: res.err, Halt: true})
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded): // the loop hears it too
	default:
		r.stepFailed(res.err)
	}
}

// applyStep records a step, and puts back in the queue what is to be sent again.
func (r *run) applyStep(step record.Result, res result, now time.Time) error {
	id, n, a := res.task.id, res.attempt.N, res.answer
	switch step {
	case record.ResultAccepted, record.ResultAcceptedUnknown:
		r.countRefusals(id.Batch, int(res.task.form.Messages), 0, true)
	case record.ResultNotAccepted:
		r.queue.add(id, now.Add(retryWait(res)))
	case record.ResultHeld:
		r.job.Logger.Warn("a batch is in doubt and no replay can settle it", event.BatchInDoubt, event.Correlation(res.attempt.Correlation),
			"batch", res.body.Reference.String(), "status", a.Status, "code", a.Code)
	case record.ResultForeign:
		r.halt(&Stopped{Code: "foreign_batches", Halt: true, Why: fmt.Sprintf("the service already holds batch %s, which this run's log never sent: "+
			"the log may have been restored from a backup, or another copy of this run is at work. "+
			"Nothing more is sent until a person has found out", res.body.Reference)})
	case record.ResultReplay:
		r.queue.add(id, now.Add(retryWait(res)))
		d := &record.InDoubt{Form: id, N: n, At: now, Status: a.Status, Code: a.Code, RetryAfter: a.RetryAfter}
		return r.log.Append(d)
	case record.ResultRevise:
		return r.revise(res, refusedRows(res.body.Positions, a.Rows), now)
	case record.ResultSplit:
		return r.split(res, now)
	}
	return r.log.Append(ledger.OutcomeOf(step, id, n, a, now))
}

// countRefusals feeds the rule that halts a run when too much is refused. The service looked
// at good and bad messages of a batch. A good message counts once, though the service looks
// at it again in every revision. final: the service does not look at them again.
func (r *run) countRefusals(batch uint32, good, bad int, final bool) {
	before := r.goodSoFar[batch]
	more := max(0, good-before)
	switch left := before - good; {
	case !final:
		r.goodSoFar[batch] = before + more
	case left > 0:
		r.goodSoFar[batch] = left // of the other part of a batch that was split
	default:
		delete(r.goodSoFar, batch)
	}
	if r.breaker.add(more+bad, bad) {
		r.halt(&Stopped{Code: "stop_if", Halt: true, Why: fmt.Sprintf("more than %g %% of the latest %d messages were refused (stop_if); "+
			"look at the reasons in the report before going on: a resume counts anew, "+
			"and may have up to %d more refused before it stops again", r.job.StopIf.Refused*100, r.job.StopIf.Of, r.job.StopIf.Of)})
	}
}

func retryWait(res result) time.Duration {
	return cmp.Or(max(0, res.answer.RetryAfter), pace.Backoff(int(res.attempt.N), rand.Float64()))
}
