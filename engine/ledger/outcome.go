package ledger

import (
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// outcomeOf is what the log says of an attempt whose answer asked for a step that
// settles it: neither a replay nor newer forms.
func OutcomeOf(step Step, id plan.FormID, n uint16, a engine.Answer, now time.Time) *record.Outcome {
	o := &record.Outcome{Form: id, N: n, At: now, Status: a.Status, Code: a.Code}
	switch step {
	case StepAccept:
		o.Result, o.IDs = record.ResultAccepted, a.IDs
	case StepAcceptUnknown:
		o.Result = record.ResultAcceptedUnknown
	case StepAgain:
		o.Result, o.RetryAfter = record.ResultNotAccepted, a.RetryAfter
	case StepHold:
		o.Result, o.RetryAfter = record.ResultHeld, a.RetryAfter // which every request is held to
	case StepForeign:
		o.Result = record.ResultForeign
	}
	return o
}
