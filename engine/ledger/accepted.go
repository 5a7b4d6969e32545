package ledger

import (
	"iter"

	"cohort/engine"
	"cohort/engine/plan"
)

// AcceptedForm is a form that the service took, in whichever revision it stands.
type AcceptedForm struct {
	plan.Form
	ID        plan.FormID
	Planned   plan.Batch
	Reference engine.Reference
}

// Accepted yields the forms that were accepted, in the plan's order: all of them, each
// message once, when the account has nobody in doubt and nobody not sent. What a revision
// has replaced is not among them.
func (l *Ledger) Accepted() iter.Seq2[AcceptedForm, error] {
	return func(yield func(AcceptedForm, error) bool) {
		for b := range l.base {
			planned, err := l.Plan.Batch(uint32(b))
			if err != nil {
				yield(AcceptedForm{}, err)
				return
			}
			more := true
			l.Forms(uint32(b), func(id plan.FormID, s *State) {
				if !more || s.Messages == 0 || s.Phase != AcceptedBy && s.Phase != AcceptedNo {
					return
				}
				form, err := l.Form(id)
				reference := l.Plan.Run.BatchReference(planned.Shard, planned.Ordinal, id.Revision, id.Part)
				more = yield(AcceptedForm{Form: form, ID: id, Planned: planned, Reference: reference}, err)
			})
			if !more {
				return
			}
		}
	}
}
