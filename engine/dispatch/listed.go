package dispatch

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

type Listing struct {
	Read []plan.ListRead

	// People yields those on the lists who were to be sent to when the cohort was planned: shard by shard, in ascending
	// positions, each once. Nil when the bytes of the lists are those that were applied last.
	People iter.Seq2[plan.Listed, error]
}

// Lists reads the suppression lists as they are now. last describes the lists that were
// applied last. An error halts the run before anything more is sent. The run calls it,
// and ranges over Listing.People, on a goroutine of its own, never twice at once.
type Lists func(ctx context.Context, last []plan.ListRead) (Listing, error)

// lists applies the suppression lists, and what has arrived in the inbox, when a run starts and when
// a window opens. News is applied again while the run sends. Nothing is sent before they are applied. The run's loop owns it.
type lists struct {
	read    Lists                   // nil: there are none
	inbox   Inbox                   // nil: there is none
	zone    *time.Location          // its midnights are new days for Lists; nil: Lists has no news
	began   time.Time               // when this reading began
	until   time.Time               // when what was read is no longer enough; zero: never
	started bool                    // they were read since this process began
	opens   time.Time               // the start of the window that they were read for; zero: none
	coming  chan ledger.ListedBatch // nil while nothing is being read
	out     int                     // people left out since this reading began
	late    int                     // people who were found too late since then
}

// newsEvery is the shortest time between two readings of news in a window.
const newsEvery = 5 * time.Minute

// due reports whether the lists must be read before anything is sent at now.
func (l *lists) due(o pace.Opening, now time.Time) bool {
	over := !o.Opens.Equal(l.opens) || !l.until.IsZero() && !now.Before(l.until)
	return (l.read != nil || l.inbox != nil) && (!l.started || o.IsOpen(now) && over)
}

// enoughUntil is when the news must be read again: so that reading takes a tenth of the time at most, and on a new day.
func (l *lists) enoughUntil(now time.Time) time.Time {
	if l.zone == nil {
		return time.Time{}
	}
	year, month, day := l.began.In(l.zone).Date()
	return pace.Sooner(now.Add(max(newsEvery, 9*now.Sub(l.began))), time.Date(year, month, day+1, 0, 0, 0, 0, l.zone))
}

// begin reads the lists on a goroutine that ends when it has closed l.coming. No task may be
// in flight meanwhile: its form could change.
func (l *lists) begin(ctx context.Context, r *run, o pace.Opening, now time.Time) {
	*l = lists{read: l.read, inbox: l.inbox, zone: l.zone, began: now, started: true}
	if o.IsOpen(now) {
		l.opens = o.Opens
	}
	coming := make(chan ledger.ListedBatch, 8)
	l.coming = coming
	last, again := r.ledger.Facts().Lists, r.ledger.SendsAgain()
	go func() {
		defer close(coming)
		listing, err := Listing{Read: last}, l.collect(ctx, r.job.Logger, again)
		if err == nil && l.read != nil {
			listing, err = l.read(ctx, last)
		}
		if err == nil && listing.People != nil {
			err = ledger.ByBatch(ctx, r.job.Plan, listing.People, func(b ledger.ListedBatch) { coming <- b })
		}
		coming <- ledger.ListedBatch{Last: true, Read: listing.Read, Err: err}
	}()
}

// collect reads what has arrived in the inbox. Only a run that sends a message again halts when it cannot.
func (l *lists) collect(ctx context.Context, log *slog.Logger, again bool) error {
	if l.inbox == nil {
		return nil
	}
	err := l.inbox.Collect(ctx)
	switch {
	case err == nil || ctx.Err() != nil:
		return nil
	case again:
		return unread(err)
	}
	log.Error("ALARM: the callbacks cannot be read; the run goes on, and nobody knows if they contradict the account", event.CallbacksUnreadable, "problem", err.Error())
	return nil
}

// takeListed applies what comes from the reading of the lists. more is false after the last.
func (r *run) takeListed(ctx context.Context, b ledger.ListedBatch, more bool) {
	now := time.Now()
	var err error
	switch {
	case !more:
		r.lists.coming = nil
	case r.stop != nil: // nothing is sent any more, and the next start reads them again
	case !b.Last:
		err = r.suppress(b, now)
	case b.Err != nil:
		stop := &Stopped{Code: "lists_not_applied", Why: "the suppression lists cannot be applied", Cause: b.Err, Halt: true}
		_ = errors.As(b.Err, &stop)
		r.halt(stop)
	default:
		if err = r.findContradictions(ctx); err == nil {
			err = r.log.SettleRevisions()
		}
		if err == nil && !slices.Equal(b.Read, r.ledger.Facts().Lists) {
			err = r.log.ListsApplied(now, b.Read)
		}
		if err == nil {
			r.lists.until = r.lists.enoughUntil(now)
			r.gate.ListsApplied(r.lists.opens, r.lists.until)
			if r.lists.out+r.lists.late > 0 {
				r.job.Logger.Info("the suppression lists name people who were to be sent to", event.PeopleListed,
					"left_out", r.lists.out, "listed_too_late", r.lists.late)
			}
		}
	}
	if err != nil {
		r.stepFailed(err)
	}
}

// suppress removes listed people from the forms of their batch, unless an attempt of the form
// may have been accepted. Then it notes that they were listed too late. Listed people
// with refused messages are blocked, so that nobody sends those again.
func (r *run) suppress(b ledger.ListedBatch, now time.Time) error {
	var forms []plan.FormID
	for id := range r.ledger.Forms(b.Planned.Number) {
		forms = append(forms, id)
	}
	for _, id := range forms {
		form, err := r.ledger.Form(id)
		if err != nil {
			return err
		}
		out, late := r.ledger.SplitListed(id, form, b.People)
		if err := r.leaveOut(id, b.Planned, form, out, now); err != nil {
			return err
		}
		if r.ledger.State(id).IsAccepted() { // their message was right when it was sent
			late = slices.DeleteFunc(late, func(p record.RefusedRow) bool { return strings.HasPrefix(p.Code, plan.Overtaken) })
		}
		r.lists.late += len(late)
		if err := r.log.TooLate(&record.ListedLate{Batch: b.Planned.Number, At: now, People: late}); err != nil {
			return err
		}
	}
	if blocked := r.ledger.BlockedRefused(b.Planned.Number, b.People); len(blocked) > 0 {
		return r.log.RevisedByList(r.ledger.BlockRefused(b.Planned.Number, blocked, now))
	}
	return nil
}

// leaveOut replaces a form by one without some people. No attempt of the form may have been
// accepted. The new form may be sent once SettleRevisions has made it durable.
func (r *run) leaveOut(id plan.FormID, planned plan.Batch, form plan.Form, people []record.RefusedRow, now time.Time) error {
	if len(people) == 0 {
		return nil
	}
	record := r.ledger.WithoutListed(id, form, people, now)
	if err := r.workers.builder.NewForms(&r.scratch, &planned, record.Part(0), record.Parts); err != nil {
		return err
	}
	if err := r.log.RevisedByList(record); err != nil {
		return err
	}
	r.lists.out += len(people)
	if len(record.Parts) > 0 && !r.job.Settle { // what was never attempted is not sent then
		r.queue.add(record.Part(0), now)
	}
	return nil
}

// leaveOutLate is leaveOut for a form that is next in the queue. It removes people who were
// listed while an older form was in doubt, when the service has refused that form since.
func (r *run) leaveOutLate(id plan.FormID, planned plan.Batch, form plan.Form) (changed bool, err error) {
	out, _ := r.ledger.SplitListed(id, form, r.ledger.TooLate(id.Batch))
	if len(out) == 0 {
		return false, nil
	}
	if err := r.leaveOut(id, planned, form, out, time.Now()); err != nil {
		return false, err
	}
	return true, r.log.SettleRevisions()
}
