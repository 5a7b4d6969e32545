package ledger

import (
	"cohort/engine/record"
	"cohort/ingest/person"
)

// Phase is the progress of a form.
type Phase uint8

// The phases. A form is settled from Accepted on: nothing more is sent for it.
const (
	Planned         Phase = iota // to be sent: each attempt so far, if any, was certainly not accepted
	Attempted                    // an attempt has no answer yet
	InDoubt                      // an attempt may have been accepted
	Replayed                     // in doubt, and another attempt has no answer yet
	Accepted                     // accepted, and the message ids are known, where the sink has ids
	AcceptedUnknown              // accepted, and the message ids are unknown
	Replaced                     // newer forms stand for its messages, or the messages were refused
	Held                         // in doubt, and no replay can settle it
	Foreign                      // the service knows its reference, and this log never sent it
)

// Loss is the effect of a lost log on a form.
type Loss uint8

const (
	NotLost         Loss = iota
	LogLost              // the log that knew of its attempts, if any, is lost
	LostThenDoubted      // and an attempt since then may have been accepted
)

// Resending has the decisions of a person to send a form in doubt again.
type Resending uint8

// The bits of Resending. Both are set when a person decided twice.
const (
	toBeResent Resending = 1 << iota // decided, and each attempt since then was certainly not accepted
	wasResent                        // decided, and an attempt since then was accepted, or may have been
)

// IsDue reports whether the form is still to be sent again.
func (r Resending) IsDue() bool { return r&toBeResent != 0 }

// IsDone reports whether the form was sent again, so the service may have accepted it twice.
func (r Resending) IsDone() bool { return r&wasResent != 0 }

// State is the state of one form. Its ledger keeps it in fewer bytes, see states.
type State struct {
	Messages uint32
	Attempts uint16
	Unsent   uint16 // attempts that certainly never left this machine
	Reason   uint16 // code that explains the state, see Ledger.Reason
	Phase    Phase
	Loss     Loss
	Resend   Resending
	First    record.Instant // first attempt; zero: none. After a loss: no attempt was earlier
	Settled  record.Spot    // the record that accepted it
}

// IsSettled reports whether nothing more is sent for the form.
func (s State) IsSettled() bool { return s.Phase >= Accepted || s.Messages == 0 }

// IsPending reports whether the latest attempt has no answer in the log.
func (s State) IsPending() bool { return s.Phase == Attempted || s.Phase == Replayed }

// IsDoubtful reports whether an earlier attempt of an unsettled form may have been accepted.
func (s State) IsDoubtful() bool { return s.Phase == InDoubt || s.Phase == Replayed }

// IsAccepted reports whether the service has accepted the form.
func (s State) IsAccepted() bool { return s.Phase == Accepted || s.Phase == AcceptedUnknown }

// isClean reports whether the form may be replaced: no attempt was accepted, or can still be.
func (s State) isClean() bool { return s.Phase == Planned && s.Messages > 0 }

// Fate returns the fate of the messages of a form. For a replaced form it means nothing.
func (s State) Fate() person.Fate {
	switch s.Phase {
	case Accepted, AcceptedUnknown:
		return person.Accepted
	case Planned, Replaced:
		return person.NotSent
	}
	return person.InDoubt
}

// mayBeAccepted notes that an attempt may have been accepted. That uses up a decision to send the form again.
func (s *State) mayBeAccepted() {
	if s.Resend.IsDue() {
		s.Resend = wasResent
	}
	if s.Loss == LogLost {
		s.Loss = LostThenDoubted
	}
}
