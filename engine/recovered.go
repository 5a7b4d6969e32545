package engine

import (
	"fmt"
	"time"

	"cohort/engine/journal"
)

type resolved struct {
	Form   FormID
	At     time.Time
	Result Result   // AcceptedUnknown, Held, Replay or Resend; Accepted: the service's receipts told
	Reason string   // that the person gave
	IDs    []string // with Accepted: of the messages, in the body's order
}

type recovered struct {
	Plan      [32]byte
	At        time.Time
	Since     time.Time // no attempt was made before
	Hold      string    // why nothing may be replayed: one of the holds; empty: it may
	Attempts  uint64    // requests that the run is known to have made; there may have been more
	Revisions uint64    // records that follow
	Key       string    // fingerprint of the credential under which the references are remembered; empty: not known
	Aside     string    // where the log that this one replaces was put; empty: there was none
}

func (r *resolved) encode(e *encoder) {
	e.form(r.Form)
	e.time(r.At)
	e.uint(uint64(r.Result))
	e.text(r.Reason)
	if r.Result == ResultAccepted {
		e.uint(uint64(len(r.IDs)))
		for _, id := range r.IDs {
			e.text(id)
		}
	}
}

func (r *recovered) encode(e *encoder) {
	e.bytes(r.Plan[:])
	e.time(r.At)
	e.time(r.Since)
	e.text(r.Hold)
	e.uint(r.Attempts)
	e.uint(r.Revisions)
	e.text(r.Key)
	e.text(r.Aside)
}

func (r *resolved) decode(d *decoder) {
	*r = resolved{Form: d.form(), At: d.time(), Result: Result(d.uint()), Reason: d.text()}
	if r.Result == ResultAccepted {
		for range d.count(1) {
			r.IDs = append(r.IDs, d.text())
		}
	}
}

func (r *recovered) decode(d *decoder) {
	*r = recovered{Plan: d.digest(), At: d.time(), Since: d.time(), Hold: d.text(), Attempts: d.uint(), Revisions: d.uint(), Key: d.text(), Aside: d.text()}
}

// The holds: why nothing may be replayed after a log was lost.
const (
	HoldRevisionsLost = "revisions_lost"       // a form that was replaced might be sent beside the one that replaced it
	HoldForgotten     = "references_forgotten" // the service may no longer know the references
)

// Codes that say why a form is where it is, beside the service's.
const (
	codeLogLost = "log_lost" // it may have been attempted: the log that knew is lost
	codeDecided = "decided"  // a person decided
	codeReceipt = "receipt"  // the service's receipts told
)

// recover notes that the log before this one is lost: whatever is not settled may have
// been attempted, and accepted.
func (l *Ledger) recover(r *recovered) error {
	if r.Plan != l.plan.Digest {
		return &PlanChangedError{l.plan.Digest, r.Plan}
	}
	l.Recovered, l.Hold, l.copied = r.At, r.Hold, r.Revisions
	l.Attempts, l.Key, l.Closed = max(l.Attempts, r.Attempts), r.Key, false
	l.since = r.Since.UnixMilli()
	for i := range l.base {
		l.lose(&l.base[i])
	}
	for _, n := range l.newer {
		l.lose(&n.state)
	}
	return nil
}

// lose puts a form in doubt of which nothing is known any more.
func (l *Ledger) lose(s *State) {
	if s.IsSettled() {
		return
	}
	s.Pending, s.InDoubt, s.Lost, s.Doubted, s.Reason = false, true, true, false, l.intern(codeLogLost)
	if s.First == (instant{}) {
		s.First = instantOf(l.since)
	}
	if l.plan.NeverAgain {
		s.Phase = Held
	}
	if l.Hold != "" {
		s.Phase, s.Reason = Held, l.intern(l.Hold)
	}
}

// copiedRevision finds the form that a revision replaces which was copied into this log
// from beside a lost one. What the revision followed from is lost.
func (l *Ledger) copiedRevision(r *revision) (*State, error) {
	s := l.state(r.Form)
	if s == nil || !s.Lost || s.Messages == 0 || s.Phase != Live && s.Phase != Held {
		return nil, fmt.Errorf("%w: a revision was copied of a form that there is not", ErrIllegal)
	}
	return s, nil
}

// whole says whether the log ends where it may: not between a recovery and the last of
// the revisions that belong to it.
func (l *Ledger) whole() error {
	if l.copied > 0 {
		return fmt.Errorf("%w: it was recovered, and %d of the revisions that were copied into it are missing", ErrIllegal, l.copied)
	}
	return nil
}

// withhold holds the forms of which only a lost log knew whether they were attempted, and
// which hold people who are listed. A replay might be the first that the service hears of
// them. Forms that were replayed since are replayed again: the people were sent to, if at
// all, before they were listed.
func (l *Ledger) withhold(batch uint32, people []RefusedRow) (err error) {
	l.Forms(batch, func(id FormID, s *State) {
		if !s.Lost || s.Doubted || !s.InDoubt || s.IsSettled() {
			return
		}
		form, e := l.Form(id)
		if e != nil {
			err = e
		}
		if len(form.among(people)) > 0 {
			s.Phase, s.Reason = Held, l.intern(codeListed)
		}
	})
	return err
}

// isWithheld reports whether withhold held a form.
func (l *Ledger) isWithheld(s *State) bool {
	return s.Phase == Held && s.Lost && l.codes[s.Reason] == codeListed
}

// resolve does what a person decided about a form, or the service's receipts tell of it.
func (l *Ledger) resolve(r *resolved, at journal.Position) error {
	s := l.state(r.Form)
	switch {
	case s == nil:
	case r.Result == ResultAccepted && l.isAsked(s) && len(r.IDs) == int(s.Messages):
		s.Phase, s.InDoubt, s.Reason = AcceptedBy, false, l.intern(codeReceipt)
		var err error
		s.Settled, err = spotOf(at)
		return err
	case r.Result == ResultResend:
		return l.resend(r.Form, s)
	case r.Result == ResultAcceptedUnknown && s.Phase == Foreign:
		s.Phase, s.InDoubt, s.Reason = AcceptedNo, false, l.intern(codeDecided)
		return nil
	case r.Result == ResultHeld && s.Phase == Foreign:
		s.Phase, s.InDoubt, s.Reason = Held, true, l.intern(codeDecided)
		return nil
	case r.Result == ResultReplay && l.isWithheld(s):
		s.Phase, s.Reason = Live, l.intern(codeLogLost)
		return nil
	}
	return fmt.Errorf("%w: a decision about a form that asks for none", ErrIllegal)
}
