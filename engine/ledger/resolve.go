package ledger

import (
	"fmt"

	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// A service that does not deduplicate gets a message in doubt again only if a person decides so. The service's
// receipts must have had time to name the message. The same form lives again under the same reference. There is no revision:
// receipts of either sending are about the form, its attempts count on, and a lost log leaves it in doubt as before.
// The earlier attempts stay in doubt. Only an acceptance or a receipt settles the message, and it is never called
// refused, suppressed or not sent.
//
// A decision is a Control record with a Resolved directly behind it for each message. Fold accepts them nowhere else.
// The next attempt that may have been accepted uses the decision up.

// Codes that say why a form is where it is, beside the service's.
const (
	CodeLogLost = "log_lost" // it may have been attempted: the log is lost
	codeResent  = "resent"   // a person decided to send it again
	CodeDecided = "decided"  // a person decided
	CodeReceipt = "receipt"  // the service's receipts name it
)

// resolve folds a decision of a person about a form, or what the service's receipts and callbacks say about it.
func (l *Ledger) resolve(r *record.Resolved, at journal.Position) (err error) {
	s := l.State(r.Form)
	switch {
	case r.Result == record.ResultAccepted && l.IsAsked(s) && len(r.IDs) == int(s.Messages):
		s.Phase, s.Reason = Accepted, l.intern(CodeReceipt)
		s.Settled, err = record.SpotOf(at)
	case r.Result == record.ResultResend:
		if !l.deciding || !l.mayResend(r.Form) {
			return illegal("a message is sent again without a decision, or although it must not be")
		}
		s.Phase, s.Resend, s.Reason = InDoubt, s.Resend|toBeResent, l.intern(codeResent)
	case r.Result == record.ResultAcceptedUnknown && s.Phase == Foreign:
		s.Phase, s.Reason = AcceptedUnknown, l.intern(CodeDecided)
	case r.Result == record.ResultHeld && s.Phase == Foreign:
		s.Phase, s.Reason = Held, l.intern(CodeDecided)
	case r.Result == record.ResultForeign && s.isClean():
		s.Phase, s.Reason = Foreign, l.intern(CodeBatchReported)
	case r.Result == record.ResultReplay && l.IsWithheld(s):
		s.Phase, s.Reason = InDoubt, l.intern(CodeLogLost)
	default:
		return illegal("a decision about a form that needs none")
	}
	l.put(r.Form, &s)
	return err
}

// IsAsked reports whether the service's receipts may settle a form: it is in doubt, and nothing of it is on its way.
func (l *Ledger) IsAsked(s State) bool {
	return l.doubt() == Held && (s.Phase == Held || s.Phase == InDoubt && s.Resend.IsDue())
}

// IsWithheld reports whether a form is held because only a lost log knew if it was attempted, and a list names people
// in it.
func (l *Ledger) IsWithheld(s State) bool {
	return s.Phase == Held && s.Loss != NotLost && l.Reason(s) == CodeListed
}

// mayResend reports whether a person may decide that a message in doubt is sent again. It must not be listed, nor
// known to a lost log alone.
func (l *Ledger) mayResend(id plan.FormID) bool {
	s := l.State(id)
	form, err := l.Form(id)
	return err == nil && l.doubt() == Held && l.facts.Hold == "" && s.Phase == Held && s.Loss == NotLost &&
		s.Messages == 1 && !l.isLateForm(id.Batch, form)
}

// holdListed holds forms of a batch with people who are listed by now, because suppression comes first:
//   - forms that a person decided to send again, and that are not on their way;
//   - forms of a lost log that were not replayed since. A replay might be the first request that the service gets.
//
// Forms that were replayed since are replayed again: their people were sent to, if at all, before they were listed.
func (l *Ledger) holdListed(batch uint32, people []record.RefusedRow) error {
	for id, s := range l.Forms(batch) {
		if s.Phase != InDoubt || s.Messages == 0 || !s.Resend.IsDue() && s.Loss != LogLost {
			continue
		}
		form, err := l.Form(id)
		if err != nil {
			return err
		}
		if len(among(form, people)) > 0 {
			s.Phase, s.Resend, s.Reason = Held, s.Resend&^toBeResent, l.intern(CodeListed)
			l.put(id, &s)
		}
	}
	return nil
}

// The holds say why nothing is replayed after a loss.
const (
	HoldRevisionsLost = "revisions_lost"       // a replaced form might be sent beside the form that replaced it
	HoldForgotten     = "references_forgotten" // the service may no longer know the references
)

// recover folds the loss of the log before this one. Each form that is not settled may have been attempted.
func (l *Ledger) recover(r *record.Recovered) error {
	if r.Plan != l.Plan.Digest {
		return &plan.ChangedError{Has: l.Plan.Digest, Logged: r.Plan}
	}
	f := &l.facts
	f.Recovered, f.Hold, f.Key, f.Closed = r.At, r.Hold, r.Key, false
	f.Attempts = max(f.Attempts, r.Attempts)
	l.copied, l.since = r.Revisions, r.Since.UnixMilli()
	for id, s := range l.all {
		s = l.lost(s)
		l.put(id, &s)
	}
	return nil
}

// lost puts a form in doubt, because the log that knew of its attempts is lost.
func (l *Ledger) lost(s State) State {
	if s.IsSettled() {
		return s
	}
	s.Phase, s.Loss, s.Reason = l.doubt(), LogLost, l.intern(CodeLogLost)
	if s.First == 0 {
		s.First = record.Instant(l.since)
	}
	if l.facts.Hold != "" {
		s.Phase, s.Reason = Held, l.intern(l.facts.Hold)
	}
	return s
}

// Whole returns an error when revisions from the second copy are missing at the end of the log.
func (l *Ledger) Whole() error {
	if l.copied > 0 {
		return fmt.Errorf("%w: it was recovered, and %d of the revisions that were copied into it are missing", ErrIllegal, l.copied)
	}
	return nil
}
