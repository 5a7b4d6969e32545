package ledger

import (
	"time"

	"cohort/engine"
)

// Step is what the protocol says must happen to a form after an answer.
type Step uint8

// The steps.
const (
	StepAccept        Step = iota + 1 // accepted, ids known
	StepAcceptUnknown                 // accepted by an attempt whose answer was lost
	StepAgain                         // certainly not accepted by this attempt: try again later
	StepReplay                        // in doubt: replay the same bytes later
	StepRevise                        // drop the rows that were refused and send the rest as a new form
	StepSplit                         // cut into parts, each a new form
	StepHold                          // in doubt, and no replay can settle it
	StepForeign                       // the service holds a batch of this name that this run never sent
)

// validatorMemory is how long a refusal by the service's validator also speaks for
// earlier attempts of the same form that were never answered. The validator looks at
// a request before it looks up its reference, so what it refuses now it refused then;
// after a day its rules may have changed.
const ValidatorMemory = 24 * time.Hour

// Decide is the whole of the send protocol: what to do with a form in state s after
// answer a to its latest attempt. It is pure. The table it follows:
//
//	answer       no attempt in doubt    an attempt in doubt
//	Accepted     accept                 accept: the service takes a reference once
//	Known        foreign                accept, ids unknown: one of ours got in
//	RowsRefused  revise                 revise within a day of the first attempt, then hold
//	TooLarge     split                  hold
//	Refused      again                  again, still in doubt
//	Unsent       again                  again, still in doubt
//	Unknown      replay                 replay
//
// A service that does not take a reference once only (kind) is never replayed to:
// what is in doubt there is held, until a person has it sent again. Then too an answer
// speaks for its own attempt alone, and short of an acceptance the message stays in doubt.
//
// A 425 is Unknown. It says that the service is processing a request under this reference.
// That may be the very attempt it answers, when a gateway has delivered it twice.
func Decide(kind engine.Kind, s State, a engine.Answer, now time.Time) Step {
	if kind != engine.Deduplicates && (s.InDoubt || a.Reply == engine.Unknown) {
		switch again := s.Resend.IsDue(); {
		case again && a.Reply == engine.Accepted:
			return StepAccept
		case again && (a.Reply == engine.Refused || a.Reply == engine.Unsent):
			return StepAgain
		}
		return StepHold
	}
	switch a.Reply {
	case engine.Accepted:
		return StepAccept
	case engine.Known:
		if s.InDoubt {
			return StepAcceptUnknown
		}
		return StepForeign
	case engine.Refused, engine.Unsent:
		return StepAgain
	case engine.RowsRefused:
		if !s.InDoubt || now.Sub(s.First.Time()) < ValidatorMemory {
			return StepRevise
		}
		return StepHold
	case engine.TooLarge:
		if !s.InDoubt {
			return StepSplit
		}
		return StepHold
	}
	return StepReplay
}
