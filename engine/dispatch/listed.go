package dispatch

import (
	"context"
	"iter"
	"slices"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Listing is what the suppression lists say at a moment.
type Listing struct {
	Read []plan.ListRead

	// People yields whom the lists name of those who were to be sent to when the cohort was
	// planned: shard by shard, in ascending positions, each once. Nil when the lists are to
	// the byte those that were applied last.
	People iter.Seq2[plan.Listed, error]
}

// Lists reads the suppression lists as they are now; last is what was read of them when
// they were applied last. Its error halts the run before anything more is sent. It is
// called on a goroutine of the run's, never twice at once, and Listing.People is ranged
// over there too.
type Lists func(ctx context.Context, last []plan.ListRead) (Listing, error)

// lists keeps a run to the suppression lists: they are applied when it starts and when
// a window opens, and until they are nothing is sent. The run's loop owns it.
type lists struct {
	read    Lists                   // nil: there are none
	started bool                    // they were read since this process began
	opens   time.Time               // the window for which they were read; zero: none
	coming  chan ledger.ListedBatch // nil while nothing is being read
	out     int                     // people left out since this reading began
	late    int                     // people found too late since then
}

// due reports whether the lists must be read before anything is sent at now.
func (l *lists) due(o pace.Opening, now time.Time) bool {
	return l.read != nil && (!l.started || o.IsOpen(now) && !o.Opens.Equal(l.opens))
}

// begin reads the lists on a goroutine that ends when it has closed l.coming. Nothing
// may be in hand meanwhile, so that no form changes under a worker.
func (l *lists) begin(ctx context.Context, plan *plan.Plan, last []plan.ListRead, o pace.Opening, now time.Time) {
	l.started, l.opens, l.out, l.late = true, time.Time{}, 0, 0
	if o.IsOpen(now) {
		l.opens = o.Opens
	}
	coming := make(chan ledger.ListedBatch, 8)
	l.coming = coming
	go func() {
		defer close(coming)
		listing, err := l.read(ctx, last)
		if err == nil && listing.People != nil {
			err = ledger.ByBatch(ctx, plan, listing.People, func(b ledger.ListedBatch) { coming <- b })
		}
		coming <- ledger.ListedBatch{Last: true, Read: listing.Read, Err: err}
	}()
}

// listed takes what comes from the reading of the lists. more is false behind the last.
func (r *run) listed(b ledger.ListedBatch, more bool) {
	now := time.Now()
	var err error
	switch {
	case !more:
		r.lists.coming = nil
	case r.stop != nil: // nothing is sent any more, and the next start reads them again
	case !b.Last:
		err = r.suppress(b, now)
	case b.Err != nil:
		r.halt(&Stopped{Code: "lists_not_applied", Why: "the suppression lists cannot be applied", Cause: b.Err, Halt: true})
	default:
		if err = r.job.Log.SettleRevisions(); err == nil && !slices.Equal(b.Read, r.job.Log.Ledger.Lists) {
			err = r.job.Log.ListsApplied(now, b.Read)
		}
		if err == nil {
			r.gate.Clear(r.lists.opens)
			if r.lists.out+r.lists.late > 0 {
				r.job.Logger.Info("the suppression lists name people who were to be sent to", "left_out", r.lists.out, "listed_too_late", r.lists.late)
			}
		}
	}
	if err != nil {
		r.logFailed(err)
	}
}

// suppress leaves people out of the forms of their batch of which no attempt can have
// been accepted. Of the others it notes that they were listed too late, and of those who
// were refused that they are not to be sent to again.
func (r *run) suppress(b ledger.ListedBatch, now time.Time) error {
	var forms []plan.FormID
	r.job.Log.Ledger.Forms(b.Planned.Number, func(id plan.FormID, _ *ledger.State) { forms = append(forms, id) })
	for _, id := range forms {
		form, err := r.job.Log.Ledger.Form(id)
		if err != nil {
			return err
		}
		out, late := r.job.Log.Ledger.SplitListed(id, form, b.People)
		if err := r.leaveOut(id, b.Planned, form, out, now); err != nil {
			return err
		}
		r.lists.late += len(late)
		if err := r.job.Log.TooLate(&record.ListedLate{Batch: b.Planned.Number, At: now, People: late}); err != nil {
			return err
		}
	}
	if barred := r.job.Log.Ledger.BlockedRefused(b.Planned.Number, b.People); len(barred) > 0 { // or a person might have them sent again
		return r.job.Log.RevisedByList(r.job.Log.Ledger.BlockRefused(b.Planned.Number, barred, now))
	}
	return nil
}

// leaveOut replaces a form of which no attempt can have been accepted by one without
// some people. It may be sent once settleRevisions has made it durable.
func (r *run) leaveOut(id plan.FormID, planned plan.Batch, form plan.Form, people []record.RefusedRow, now time.Time) error {
	if len(people) == 0 {
		return nil
	}
	record := r.job.Log.Ledger.WithoutListed(id, form, people, now)
	if err := r.workers.builder.NewForms(&r.scratch, &planned, record.Part(0), record.Parts); err != nil {
		return err
	}
	if err := r.job.Log.RevisedByList(record); err != nil {
		return err
	}
	r.lists.out += len(people)
	if len(record.Parts) > 0 && !r.job.Settle { // what was never attempted is not sent then
		r.queue.add(record.Part(0), now)
	}
	return nil
}

// leaveOutLate is leaveOut for a form that the queue would have sent: people who were
// listed while an older form of it was in doubt, which the service has since refused.
func (r *run) leaveOutLate(id plan.FormID, planned plan.Batch, form plan.Form) (changed bool, err error) {
	out, _ := r.job.Log.Ledger.SplitListed(id, form, r.job.Log.Ledger.TooLate(id.Batch))
	if len(out) == 0 {
		return false, nil
	}
	if err := r.leaveOut(id, planned, form, out, time.Now()); err != nil {
		return false, err
	}
	return true, r.job.Log.SettleRevisions()
}
