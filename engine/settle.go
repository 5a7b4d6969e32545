package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

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
		r.logFailed(err)
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
		fits = len(a.IDs) == n && !a.NoIDs || len(a.IDs) == 0 && a.NoIDs
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
	case errors.Is(res.err, errNewWindow): // the loop reads the lists first
	case errors.Is(res.err, errProbing): // the loop sends one at a time
	case errors.Is(res.err, errWindowOver):
		r.halt(&Stopped{Why: "the window has ended"})
	case errors.Is(res.err, errUntilOver):
		r.halt(&Stopped{Why: "pace.until has passed; move it in the campaign file to go on"})
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded): // the loop hears it too
	default:
		r.logFailed(res.err)
	}
}

// take records what a step means and puts back in the queue what is to be sent again.
func (r *run) take(step Step, res result, now time.Time) error {
	id, n, a := res.errand.id, res.attempt.N, res.answer
	switch step {
	case StepAccept, StepAcceptUnknown:
		r.looked(id.Batch, int(res.errand.form.Messages), 0, true)
	case StepAgain:
		r.queue.add(id, now.Add(r.pause(res)))
	case StepHold:
		r.Logger.Warn("a batch is in doubt and no replay can settle it", "batch", res.body.reference.String(), "status", a.Status, "code", a.Code)
	case StepForeign:
		r.halt(&Stopped{Why: foreignHalt(res.body.reference), Halt: true})
	case StepReplay:
		r.queue.add(id, now.Add(r.pause(res)))
		d := &inDoubt{Form: id, N: n, At: now, Status: a.Status, Code: a.Code, RetryAfter: a.RetryAfter}
		return r.Log.answer(recordInDoubt, d, d.encode)
	case StepRevise:
		return r.revise(res, refusedRows(res.body.positions, a.Rows), now)
	case StepSplit:
		return r.split(res, now)
	}
	o := outcomeOf(step, id, n, a, now)
	return r.Log.answer(recordOutcome, o, o.encode)
}

// outcomeOf is what the log says of an attempt whose answer asked for a step that
// settles it: neither a replay nor newer forms.
func outcomeOf(step Step, id FormID, n uint16, a Answer, now time.Time) *outcome {
	o := &outcome{Form: id, N: n, At: now, Status: a.Status, Code: a.Code}
	switch step {
	case StepAccept:
		o.Result, o.IDs = ResultAccepted, a.IDs
	case StepAcceptUnknown:
		o.Result = ResultAcceptedUnknown
	case StepAgain:
		o.Result, o.RetryAfter = ResultNotAccepted, a.RetryAfter
	case StepHold:
		o.Result, o.RetryAfter = ResultHeld, a.RetryAfter // which every request is held to
	case StepForeign:
		o.Result = ResultForeign
	}
	return o
}

func foreignHalt(reference Reference) string {
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
		r.halt(&Stopped{Why: fmt.Sprintf("more than %g %% of the latest %d messages were refused (stop_if); look at the reasons in the report before going on: a resume counts anew, and may have up to %d more refused before it stops again",
			r.StopIf.Refused*100, r.StopIf.Of, r.StopIf.Of), Halt: true})
	}
}

// pause is how long a form waits before it is sent again.
func (r *run) pause(res result) time.Duration {
	if res.answer.RetryAfter > 0 {
		return res.answer.RetryAfter
	}
	return Backoff(int(res.attempt.N), rand.Float64())
}
