package ledger

import (
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// ValidatorMemory limits how long a refusal of rows also speaks for earlier attempts of the form that got no answer.
// The service's validator looks at a request before it looks up the reference, so it would have refused those
// attempts too. After this time its rules may have changed.
const ValidatorMemory = 24 * time.Hour

// Decide is the whole send protocol. It returns what happens to a form in state s after answer a to its latest
// attempt. It is pure. Its table:
//
//	answer       no earlier attempt in doubt   an earlier attempt in doubt
//	Accepted     accepted                      accepted: the service takes a reference once
//	Known        foreign                       accepted, ids unknown
//	RowsRefused  revise                        revise within a day of the first attempt, then held
//	TooLarge     split                         held
//	Refused      not accepted                  not accepted, still in doubt
//	Unsent       not accepted                  not accepted, still in doubt
//	Unknown      replay                        replay
//
// A service that does not deduplicate gets no replay. There, a form in doubt is held until a person decides to send
// it again. Then an answer speaks only for its own attempt, and only an acceptance settles the message.
//
// A 425 is Unknown. It says that the service is processing a request with this reference. When a gateway has
// delivered the attempt twice, that request is the attempt itself.
func Decide(kind engine.Kind, s State, a engine.Answer, now time.Time) record.Result {
	if kind != engine.Deduplicates && (s.IsDoubtful() || a.Reply == engine.Unknown) {
		switch again := s.Resend.IsDue(); {
		case again && a.Reply == engine.Accepted:
			return record.ResultAccepted
		case again && (a.Reply == engine.Refused || a.Reply == engine.Unsent):
			return record.ResultNotAccepted
		}
		return record.ResultHeld
	}
	switch a.Reply {
	case engine.Accepted:
		return record.ResultAccepted
	case engine.Known:
		if s.IsDoubtful() {
			return record.ResultAcceptedUnknown
		}
		return record.ResultForeign
	case engine.Refused, engine.Unsent:
		return record.ResultNotAccepted
	case engine.RowsRefused:
		if !s.IsDoubtful() || now.Sub(s.First.Time()) < ValidatorMemory {
			return record.ResultRevise
		}
		return record.ResultHeld
	case engine.TooLarge:
		if !s.IsDoubtful() {
			return record.ResultSplit
		}
		return record.ResultHeld
	}
	return record.ResultReplay
}

// OutcomeOf returns the record of an answer to attempt n of a form. The result is neither Replay, Revise nor Split.
func OutcomeOf(result record.Result, id plan.FormID, n uint16, a engine.Answer, now time.Time) *record.Outcome {
	o := &record.Outcome{Form: id, N: n, At: now, Result: result, Status: a.Status, Code: a.Code}
	switch result {
	case record.ResultAccepted:
		o.IDs = a.IDs
	case record.ResultNotAccepted, record.ResultHeld:
		o.RetryAfter = a.RetryAfter
	}
	return o
}
