package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// settle does what the protocol says about one answer.
func (r *run) settle(res result) {
	defer r.workers.bodies.Put(res.body)
	if res.attempt == nil {
		r.notStarted(res)
		return
	}
	if err := r.job.Log.Attempted(res.attempt); err != nil {
		r.fail(err)
		return
	}
	now := time.Now()
	res.answer = sane(res.answer, len(res.body.Messages))
	r.note(res, now)
	step := ledger.Decide(r.job.Sink.Kind(), r.job.Log.Ledger.State(res.errand.id), res.answer, now)
	if err := r.take(step, res, now); err != nil {
		r.logFailed(err)
		return
	}
	if res.answer.Halt != "" {
		r.halt(&Stopped{Code: "halted_by_service", Why: res.answer.Halt, Halt: true})
	}
}

// sane turns an answer that does not fit a request of n messages into what it is: not
// understood.
func sane(a engine.Answer, n int) engine.Answer {
	fits := true
	switch a.Reply {
	case engine.Accepted:
		fits = len(a.IDs) == n && !a.NoIDs || len(a.IDs) == 0 && a.NoIDs
	case engine.RowsRefused:
		fits = len(a.Rows) > 0 && !slices.ContainsFunc(a.Rows, func(r engine.RowError) bool { return r.Index < 0 || r.Index >= n })
	}
	if fits {
		return a
	}
	return engine.Answer{Status: a.Status, Code: "misfit", Halt: "the sink gave an answer that does not fit its request; this is a defect of cohort"}
}

// notStarted takes back an errand of which nothing was sent.
func (r *run) notStarted(res result) {
	r.queue.add(res.errand.id, time.Now())
	switch {
	case errors.Is(res.err, pace.ErrNewWindow): // the loop reads the lists first
	case errors.Is(res.err, pace.ErrProbing): // the loop sends one at a time
	case errors.Is(res.err, pace.ErrWindowOver):
		r.halt(&Stopped{Code: "window_over", Why: "the window has ended"})
	case errors.Is(res.err, pace.ErrUntilOver):
		r.halt(&Stopped{Code: "campaign_is_over", Why: "pace.until has passed; move it in the campaign file to go on"})
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded): // the loop hears it too
	default:
		r.logFailed(res.err)
	}
}

// take records what a step means and puts back in the queue what is to be sent again.
func (r *run) take(step ledger.Step, res result, now time.Time) error {
	id, n, a := res.errand.id, res.attempt.N, res.answer
	switch step {
	case ledger.StepAccept, ledger.StepAcceptUnknown:
		r.looked(id.Batch, int(res.errand.form.Messages), 0, true)
	case ledger.StepAgain:
		r.queue.add(id, now.Add(r.pause(res)))
	case ledger.StepHold:
		r.job.Logger.Warn("a batch is in doubt and no replay can settle it", "batch", res.body.Reference.String(), "status", a.Status, "code", a.Code)
	case ledger.StepForeign:
		r.halt(&Stopped{Code: "foreign_batches", Why: foreignHalt(res.body.Reference), Halt: true})
	case ledger.StepReplay:
		r.queue.add(id, now.Add(r.pause(res)))
		d := &record.InDoubt{Form: id, N: n, At: now, Status: a.Status, Code: a.Code, RetryAfter: a.RetryAfter}
		return r.job.Log.Answer(record.KindInDoubt, d, d.Encode)
	case ledger.StepRevise:
		return r.revise(res, refusedRows(res.body.Positions, a.Rows), now)
	case ledger.StepSplit:
		return r.split(res, now)
	}
	o := ledger.OutcomeOf(step, id, n, a, now)
	return r.job.Log.Answer(record.KindOutcome, o, o.Encode)
}

func foreignHalt(reference engine.Reference) string {
	return fmt.Sprintf("the service already holds batch %s, which this run's log never sent: the log may have been restored from a backup, or another copy of this run is at work. Nothing more is sent until a person has found out", reference)
}

// looked feeds the rule that halts a run in which too much is refused. good and bad are
// the messages of a batch that the service has looked at and found so. A good message
// counts once, though it is looked at again in every revision; settled says that this
// was the last time.
func (r *run) looked(batch uint32, good, bad int, settled bool) {
	before := r.goodSoFar[batch]
	more := max(0, good-before)
	switch left := before - good; {
	case !settled:
		r.goodSoFar[batch] = before + more
	case left > 0:
		r.goodSoFar[batch] = left // of the other part of a batch that was split
	default:
		delete(r.goodSoFar, batch)
	}
	if r.refusals.add(more+bad, bad) {
		r.halt(&Stopped{Code: "stop_if", Why: fmt.Sprintf("more than %g %% of the latest %d messages were refused (stop_if); look at the reasons in the report before going on: a resume counts anew, and may have up to %d more refused before it stops again",
			r.job.StopIf.Refused*100, r.job.StopIf.Of, r.job.StopIf.Of), Halt: true})
	}
}

// pause is how long a form waits before it is sent again.
func (r *run) pause(res result) time.Duration {
	if res.answer.RetryAfter > 0 {
		return res.answer.RetryAfter
	}
	return pace.Backoff(int(res.attempt.N), rand.Float64())
}
