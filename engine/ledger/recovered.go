package ledger

import (
	"fmt"

	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// The holds: why nothing may be replayed after a log was lost.
const (
	HoldRevisionsLost = "revisions_lost"       // a form that was replaced might be sent beside the one that replaced it
	HoldForgotten     = "references_forgotten" // the service may no longer know the references
)

// Codes that say why a form is where it is, beside the service's.
const (
	CodeLogLost = "log_lost" // it may have been attempted: the log that knew is lost
	CodeDecided = "decided"  // a person decided
	CodeReceipt = "receipt"  // the service's receipts told
)

// recover notes that the log before this one is lost: whatever is not settled may have
// been attempted, and accepted.
func (l *Ledger) recover(r *record.Recovered) error {
	if r.Plan != l.Plan.Digest {
		return &plan.ChangedError{Has: l.Plan.Digest, Logged: r.Plan}
	}
	l.Recovered, l.Hold, l.copied = r.At, r.Hold, r.Revisions
	l.Attempts, l.Key, l.Closed = max(l.Attempts, r.Attempts), r.Key, false
	l.since = r.Since.UnixMilli()
	for i := range l.base {
		l.markLost(&l.base[i])
	}
	for _, n := range l.newer {
		l.markLost(&n.state)
	}
	return nil
}

// lose puts a form in doubt of which nothing is known any more.
func (l *Ledger) markLost(s *State) {
	if s.IsSettled() {
		return
	}
	s.Pending, s.InDoubt, s.Lost, s.Doubted, s.Reason = false, true, true, false, l.intern(CodeLogLost)
	if s.First == (record.Instant{}) {
		s.First = record.InstantOf(l.since)
	}
	if l.Plan.NeverAgain {
		s.Phase = Held
	}
	if l.Hold != "" {
		s.Phase, s.Reason = Held, l.intern(l.Hold)
	}
}

// copiedRevision finds the form that a revision replaces which was copied into this log
// from beside a lost one. What the revision followed from is lost.
func (l *Ledger) copiedRevision(r *record.Revision) (*State, error) {
	s := l.At(r.Form)
	if s == nil || !s.Lost || s.Messages == 0 || s.Phase != Live && s.Phase != Held {
		return nil, fmt.Errorf("%w: a revision was copied of a form that there is not", ErrIllegal)
	}
	return s, nil
}

// whole says whether the log ends where it may: not between a recovery and the last of
// the revisions that belong to it.
func (l *Ledger) Whole() error {
	if l.copied > 0 {
		return fmt.Errorf("%w: it was recovered, and %d of the revisions that were copied into it are missing", ErrIllegal, l.copied)
	}
	return nil
}

// withhold holds the forms of which only a lost log knew whether they were attempted, and
// which hold people who are listed. A replay might be the first that the service hears of
// them. Forms that were replayed since are replayed again: the people were sent to, if at
// all, before they were listed.
func (l *Ledger) withhold(batch uint32, people []record.RefusedRow) (err error) {
	l.Forms(batch, func(id plan.FormID, s *State) {
		if !s.Lost || s.Doubted || !s.InDoubt || s.IsSettled() {
			return
		}
		form, e := l.Form(id)
		if e != nil {
			err = e
		}
		if len(among(form, people)) > 0 {
			s.Phase, s.Reason = Held, l.intern(CodeListed)
		}
	})
	return err
}

// isWithheld reports whether withhold held a form.
func (l *Ledger) isWithheld(s *State) bool {
	return s.Phase == Held && s.Lost && l.codes[s.Reason] == CodeListed
}

// resolve does what a person decided about a form, or the service's receipts tell of it.
func (l *Ledger) resolve(r *record.Resolved, at journal.Position) error {
	s := l.At(r.Form)
	switch {
	case s == nil:
	case r.Result == record.ResultAccepted && l.IsAsked(s) && len(r.IDs) == int(s.Messages):
		s.Phase, s.InDoubt, s.Reason = AcceptedBy, false, l.intern(CodeReceipt)
		var err error
		s.Settled, err = record.SpotOf(at)
		return err
	case r.Result == record.ResultResend:
		return l.resend(r.Form, s)
	case r.Result == record.ResultAcceptedUnknown && s.Phase == Foreign:
		s.Phase, s.InDoubt, s.Reason = AcceptedNo, false, l.intern(CodeDecided)
		return nil
	case r.Result == record.ResultHeld && s.Phase == Foreign:
		s.Phase, s.InDoubt, s.Reason = Held, true, l.intern(CodeDecided)
		return nil
	case r.Result == record.ResultReplay && l.isWithheld(s):
		s.Phase, s.Reason = Live, l.intern(CodeLogLost)
		return nil
	}
	return fmt.Errorf("%w: a decision about a form that asks for none", ErrIllegal)
}
