package decision

import (
	"fmt"
	"iter"
	"time"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Accepted yields the forms that the service accepted from this log, in the order of the plan. When nobody is in doubt
// and nobody is still to be sent to, they hold each accepted message once, but for foreign forms: their messages stand
// in the files of another copy of the run.
func Accepted(l *ledger.Ledger) iter.Seq2[plan.AcceptedForm, error] {
	return func(yield func(plan.AcceptedForm, error) bool) {
		for id, s := range l.Standing() {
			isForeign := s.Phase == ledger.AcceptedUnknown && l.Reason(s) == ledger.CodeDecided
			if s.Messages == 0 || !s.IsAccepted() || isForeign {
				continue
			}
			planned, err := l.Plan.Batch(id.Batch)
			var form plan.Form
			if err == nil {
				form, err = l.Form(id)
			}
			reference := l.Plan.References.Batch(planned.Lane, planned.Ordinal, id.Revision, id.Part)
			if !yield(plan.AcceptedForm{Form: form, ID: id, Planned: planned, Reference: reference}, err) {
				return
			}
		}
	}
}

// RefuseUpload records, durably, that the service has refused a file with these accepted forms. All their messages
// are refused with the code. Decision names the person and the acknowledgement. After a crash some forms are still
// accepted, and the same call again continues.
func RefuseUpload(
	log *ledger.Log, forms []plan.AcceptedForm, source engine.Source, sink engine.Sink, code, decision string, at time.Time,
) error {
	l := log.Ledger
	bd, scratch := plan.Builder{References: l.Plan.References, Source: source, Sink: sink}, plan.Body{}
	if err := log.Control(at, record.ControlUpload, decision); err != nil {
		return err
	}
	for i := range forms {
		f := &forms[i]
		if err := bd.Rebuild(&scratch, &f.Planned, f.ID, &f.Form); err != nil {
			return err
		}
		r := &record.Revision{
			Form: f.ID, N: l.State(f.ID).Attempts, At: at, Code: code, Number: l.NextRevision(f.ID.Batch), Sure: true,
		}
		for _, position := range scratch.Positions {
			r.Refused = append(r.Refused, record.RefusedRow{Position: position, Code: code})
		}
		if err := log.RevisedByList(r); err != nil {
			return err
		}
	}
	return log.SettleRevisions()
}

// ConfirmUpload records, durably, that the service has confirmed a file.
func ConfirmUpload(log *ledger.Log, reference, decision string, at time.Time) error {
	return log.Control(at, record.ControlConfirmed, reference+" "+decision)
}

// UploadTaken records, durably, that the service works on a file that it has refused. The batches have messages in
// the file. From then on none of their refused messages is sent again. Messages that were about to be sent again are
// refused again, unless they stand in another file already.
func UploadTaken(log *ledger.Log, batches []uint32, decision string, at time.Time) error {
	return log.Control(at, record.ControlTaken, ledger.Batches(batches)+" "+decision)
}

// RefusedUploads returns the references of forms that stand in refused files, with the numbers of their batches.
func RefusedUploads(l *ledger.Ledger) (map[engine.Reference]uint32, error) {
	refused := map[engine.Reference]uint32{}
	for id, s := range l.Begun {
		if s.Phase != ledger.Replaced || !ledger.IsUploadRefused(l.Reason(s)) {
			continue
		}
		reference, err := l.Reference(id)
		if err != nil {
			return nil, fmt.Errorf("batch %d: %w", id.Batch, err)
		}
		refused[reference] = id.Batch
	}
	return refused, nil
}
