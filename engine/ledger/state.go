package ledger

import (
	"cohort/engine/record"
)

// Phase is how far a form has come.
type Phase uint8

// The phases. A form is Live until it is settled; it may then be planned, in flight,
// waiting to be tried again, or in doubt, as its State tells.
const (
	Live       Phase = iota
	AcceptedBy       // accepted, and the service told its ids, where it gives any
	AcceptedNo       // accepted, as a duplicate answer proved; its ids are not known
	Replaced         // rows of it were refused, or it was split: newer forms stand for the rest
	Held             // in doubt, and no replay can settle it
	Foreign          // the service knew its reference though this run never got it there
)

// State is what the progress log says of one form. There is one for each batch of a run.
type State struct {
	Messages uint32
	Attempts uint16
	Unsent   uint16 // of the attempts: those of which certainly nothing left this machine
	Reason   uint16 // index into the ledger's codes: why it is where it is
	Phase    Phase
	Pending  bool           // its last attempt is in the log and has no answer there
	InDoubt  bool           // an attempt was never answered, or not understandably
	Lost     bool           // the log that knew of its attempts, if there were any, is lost
	Resend   Resending      // whether a person has had it sent again, in doubt as it was
	Doubted  bool           // Lost, and an attempt since then was never answered, or not understandably
	First    record.Instant // when it was first attempted; zero: never. Lost: not before
	Settled  record.Spot    // of the record that accepted it
}

// isClean reports whether the form may be replaced: no attempt of it can have been
// accepted, nor can one still be.
func (s State) isClean() bool { return !s.IsSettled() && !s.Pending && !s.InDoubt }

// IsSettled reports whether nothing more is to be sent for the form.
func (s State) IsSettled() bool { return s.Phase != Live || s.Messages == 0 }
