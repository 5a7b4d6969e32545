package engine

import "time"

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
const validatorMemory = 24 * time.Hour

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
func Decide(kind Kind, s State, a Answer, now time.Time) Step {
	if kind != Deduplicates && (s.InDoubt || a.Reply == Unknown) {
		switch again := s.Resend.IsDue(); {
		case again && a.Reply == Accepted:
			return StepAccept
		case again && (a.Reply == Refused || a.Reply == Unsent):
			return StepAgain
		}
		return StepHold
	}
	switch a.Reply {
	case Accepted:
		return StepAccept
	case Known:
		if s.InDoubt {
			return StepAcceptUnknown
		}
		return StepForeign
	case Refused, Unsent:
		return StepAgain
	case RowsRefused:
		if !s.InDoubt || now.Sub(s.First.Time()) < validatorMemory {
			return StepRevise
		}
		return StepHold
	case TooLarge:
		if !s.InDoubt {
			return StepSplit
		}
		return StepHold
	}
	return StepReplay
}
