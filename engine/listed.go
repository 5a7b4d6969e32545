package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Listed is one record whose person a suppression list names.
type Listed struct {
	Shard    int
	Position uint32
	Code     string // why: one of the reason codes
}

// ListRead is what was read of one suppression list. It holds nothing about anybody.
type ListRead struct {
	File   string `json:"file"`
	Format string `json:"format,omitempty"` // as the campaign says that it is to be read; empty: told by its content
	Reason string `json:"reason,omitempty"` // of its people, where the list itself gives none
	SHA256 string `json:"sha256"`
	People int64  `json:"people"` // different NHS numbers; by rules older than 2, rows with one

	// Unreadable is how many rows had something in place of a number. Rules says by which
	// rules the numbers were read: 0 before odd ones were read and unreadable rows counted.
	Unreadable int64 `json:"unreadable,omitempty"`
	Rules      int   `json:"rules,omitempty"`
}

// Listing is what the suppression lists say at a moment.
type Listing struct {
	Read []ListRead

	// People yields whom the lists name of those who were to be sent to when the cohort was
	// planned: shard by shard, in ascending positions, each once. Nil when the lists are to
	// the byte those that were applied last.
	People iter.Seq2[Listed, error]
}

// Lists reads the suppression lists as they are now; last is what was read of them when
// they were applied last. Its error halts the run before anything more is sent. It is
// called on a goroutine of the run's, never twice at once, and Listing.People is ranged
// over there too.
type Lists func(ctx context.Context, last []ListRead) (Listing, error)

// listedBatch is whom the lists name of one batch. The last of a reading says instead
// what was read, or why that cannot be said.
type listedBatch struct {
	planned PlannedBatch
	people  []RefusedRow // ascending positions
	last    bool
	read    []ListRead
	err     error
}

// lists keeps a run to the suppression lists: they are applied when it starts and when
// a window opens, and until they are nothing is sent. The run's loop owns it.
type lists struct {
	read    Lists            // nil: there are none
	started bool             // they were read since this process began
	opens   time.Time        // the window for which they were read; zero: none
	coming  chan listedBatch // nil while nothing is being read
	out     int              // people left out since this reading began
	late    int              // people found too late since then
}

// due reports whether the lists must be read before anything is sent at now.
func (l *lists) due(o Opening, now time.Time) bool {
	return l.read != nil && (!l.started || o.IsOpen(now) && !o.Opens.Equal(l.opens))
}

// begin reads the lists on a goroutine that ends when it has closed l.coming. Nothing
// may be in hand meanwhile, so that no form changes under a worker.
func (l *lists) begin(ctx context.Context, plan *Plan, last []ListRead, o Opening, now time.Time) {
	l.started, l.opens, l.out, l.late = true, time.Time{}, 0, 0
	if o.IsOpen(now) {
		l.opens = o.Opens
	}
	coming := make(chan listedBatch, 8)
	l.coming = coming
	go func() {
		defer close(coming)
		listing, err := l.read(ctx, last)
		if err == nil && listing.People != nil {
			err = byBatch(ctx, plan, listing.People, func(b listedBatch) { coming <- b })
		}
		coming <- listedBatch{last: true, read: listing.Read, err: err}
	}()
}

// byBatch gathers people into the batches that they were planned in.
func byBatch(ctx context.Context, plan *Plan, people iter.Seq2[Listed, error], give func(listedBatch)) error {
	var b listedBatch
	var next, end uint32 // the batches of the shard behind b
	shard := -1
	done := func() {
		if len(b.people) > 0 {
			give(b)
			b.people = nil
		}
	}
	for p, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if p.Shard != shard {
			done()
			shard, b.planned = p.Shard, PlannedBatch{}
			next, end = plan.ShardBatches(shard)
		}
		for p.Position >= b.planned.To {
			done()
			if next == end {
				return fmt.Errorf("position %d of shard %d is in no batch", p.Position, shard)
			}
			if b.planned, err = plan.Batch(next); err != nil {
				return err
			}
			next++
		}
		b.people = append(b.people, RefusedRow{Position: p.Position, Code: p.Code})
	}
	done()
	return nil
}

// listed takes what comes from the reading of the lists. more is false behind the last.
func (r *run) listed(b listedBatch, more bool) {
	now := time.Now()
	var err error
	switch {
	case !more:
		r.lists.coming = nil
	case r.stop != nil: // nothing is sent any more, and the next start reads them again
	case !b.last:
		err = r.suppress(b, now)
	case b.err != nil:
		r.halt(&Stopped{Why: "the suppression lists cannot be applied", Cause: b.err, Halt: true})
	default:
		if err = r.Log.settleRevisions(); err == nil && !slices.Equal(b.read, r.Log.Lists) {
			err = r.Log.listsApplied(now, b.read)
		}
		if err == nil {
			r.gate.Clear(r.lists.opens)
			if r.lists.out+r.lists.late > 0 {
				r.Logger.Info("the suppression lists name people who were to be sent to", "left_out", r.lists.out, "listed_too_late", r.lists.late)
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
func (r *run) suppress(b listedBatch, now time.Time) error {
	var forms []FormID
	r.Log.Forms(b.planned.Number, func(id FormID, _ *State) { forms = append(forms, id) })
	for _, id := range forms {
		form, err := r.Log.Form(id)
		if err != nil {
			return err
		}
		out, late := r.Log.heed(id, form, b.people)
		if err := r.leaveOut(id, b.planned, form, out, now); err != nil {
			return err
		}
		r.lists.late += len(late)
		if err := r.Log.tooLate(&listedLate{Batch: b.planned.Number, At: now, People: late}); err != nil {
			return err
		}
	}
	if barred := r.Log.barred(b.planned.Number, b.people); len(barred) > 0 { // or a person might have them sent again
		return r.Log.revisedByList(r.Log.barring(b.planned.Number, barred, now))
	}
	return nil
}

// heed sorts the people of a form that a list names. out can still be left out of it. late
// cannot, since an attempt of the form may have been accepted; people that the log already
// calls too late are not in it.
func (l *Ledger) heed(id FormID, form Form, people []RefusedRow) (out, late []RefusedRow) {
	people = form.among(people)
	if l.State(id).isClean() {
		return people, nil
	}
	return nil, slices.DeleteFunc(people, func(p RefusedRow) bool { return l.isLate(id.Batch, p.Position) })
}

// leavingOut is the revision of a form without some of its people, whom a list names;
// its part is still to be sealed.
func (l *Ledger) leavingOut(id FormID, form Form, people []RefusedRow, now time.Time) *revision {
	return &revision{
		Form: id, At: now, Code: codeListed, Number: l.last[id.Batch] + 1,
		Parts: form.less(int(l.State(id).Messages), people), Refused: people,
	}
}

// leaveOut replaces a form of which no attempt can have been accepted by one without
// some people. It may be sent once settleRevisions has made it durable.
func (r *run) leaveOut(id FormID, planned PlannedBatch, form Form, people []RefusedRow, now time.Time) error {
	if len(people) == 0 {
		return nil
	}
	record := r.Log.leavingOut(id, form, people, now)
	if err := r.workers.builder.newForms(&r.scratch, &planned, record); err != nil {
		return err
	}
	if err := r.Log.revisedByList(record); err != nil {
		return err
	}
	r.lists.out += len(people)
	if len(record.Parts) > 0 && !r.Settle { // what was never attempted is not sent then
		r.queue.add(record.part(0), now)
	}
	return nil
}

// leaveOutLate is leaveOut for a form that the queue would have sent: people who were
// listed while an older form of it was in doubt, which the service has since refused.
func (r *run) leaveOutLate(id FormID, planned PlannedBatch, form Form) (changed bool, err error) {
	out, _ := r.Log.heed(id, form, r.Log.late[id.Batch])
	if len(out) == 0 {
		return false, nil
	}
	if err := r.leaveOut(id, planned, form, out, time.Now()); err != nil {
		return false, err
	}
	return true, r.Log.settleRevisions()
}

// among picks out of people, in ascending positions, those whose messages f holds.
func (f *Form) among(people []RefusedRow) []RefusedRow {
	var in []RefusedRow
	for _, p := range people {
		if _, dropped := slices.BinarySearch(f.Dropped, p.Position); !dropped && p.Position >= f.From && p.Position < f.To {
			in = append(in, p)
		}
	}
	return in
}
