package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// A message that was refused is sent again in a form of its own, made by a revision that is
// named after itself: it replaces no form. Such a revision takes from what was refused of a
// batch, and from nothing else, so that nobody who was accepted, or may have been, can be in
// its form; the ledger checks that. Without a form it names those of the refused whom a
// suppression list names: they are never sent again, even when the list forgets them.
//
// A person who mends what messages were refused for changes the service's rules within the
// day for which the protocol takes them to hold (validatorMemory). Until then an answer
// that refuses rows speaks for requests of the same form, too, that were given up and may still
// be on their way; from then on such a request is refused no more. So messages of a batch of
// which a form was replaced while it was in doubt are not sent again at all. Other
// forms of the batch do not matter: none of them holds a message that was refused.

// Codes of the revisions that are named after themselves. A list's has codeListed.
const CodeRetried = "retried"

// Retry is what is to be sent again of what a service has refused.
type Retry struct {
	Counts []RetryCount // of every code that was asked for, in order

	Rows map[uint32][]record.RefusedRow // to be sent again, by batch
}

// RetryCount is what becomes of the refused messages that have a reason code.
type RetryCount struct {
	Code   string
	Again  int // sent again
	Listed int // not: a suppression list has named the person
	Unsure int // not: a request that held them was never answered, and may have come in since
}

// Sum adds up the counts.
func (r *Retry) Sum() (all RetryCount) {
	for _, c := range r.Counts {
		all.Again, all.Listed, all.Unsure = all.Again+c.Again, all.Listed+c.Listed, all.Unsure+c.Unsure
	}
	return all
}

// Retry says what would be sent again of the messages that were refused with one of codes;
// none means all.
func (l *Ledger) Retry(codes []string) *Retry {
	again := &Retry{Rows: map[uint32][]record.RefusedRow{}}
	counts := map[string]*RetryCount{}
	for batch, refused := range l.refused {
		for _, row := range refused {
			if len(codes) > 0 && !slices.Contains(codes, row.Code) {
				continue
			}
			c := counts[row.Code]
			if c == nil {
				c = &RetryCount{Code: row.Code}
				counts[row.Code] = c
			}
			switch {
			case l.isLate(batch, row.Position):
				c.Listed++
			case l.Unsure[batch]:
				c.Unsure++
			default:
				c.Again++
				again.Rows[batch] = append(again.Rows[batch], row)
			}
		}
	}
	for _, c := range counts {
		again.Counts = append(again.Counts, *c)
	}
	slices.SortFunc(again.Counts, func(a, b RetryCount) int { return cmp.Compare(a.Code, b.Code) })
	return again
}

// prepare makes the revisions of a retry and changes nothing. Each is of a batch that
// still comes out as it was planned.
func (again *Retry) Prepare(l *Ledger, source engine.Source, sink engine.Sink, now time.Time) ([]*record.Revision, error) {
	bd := plan.Builder{Run: l.Plan.Run, Source: source, Sink: sink}
	var scratch plan.Body
	var all []*record.Revision
	for _, batch := range slices.Sorted(maps.Keys(again.Rows)) {
		planned, err := l.Plan.Batch(batch)
		if err == nil {
			err = bd.Rebuild(&scratch, &planned, plan.FormID{Batch: batch}, &planned.Form)
		}
		if err != nil {
			return nil, err
		}
		r := l.sentAgain(&planned, again.Rows[batch], now)
		if err := bd.NewForms(&scratch, &planned, r.Part(0), r.Parts); err != nil {
			return nil, err
		}
		if int(r.Parts[0].Messages) != len(again.Rows[batch]) {
			return nil, fmt.Errorf("batch %d: %w: %d refused messages became %d", batch, ErrIllegal, len(again.Rows[batch]), r.Parts[0].Messages)
		}
		all = append(all, r)
	}
	return all, nil
}

// Retry has messages sent again that were refused: durably, in the log and in the second
// copy of the revisions, so that the next Run sends them. Who has decided so and why is in
// the log before them. A crash in between leaves some of them refused, and another Retry
// takes these up. The caller holds the run's folder, and again is from this log's ledger.
func (p *Log) Retry(again *Retry, source engine.Source, sink engine.Sink, by, reason string, at time.Time) error {
	revisions, err := again.Prepare(p.Ledger, source, sink, at)
	if err != nil {
		return err
	}
	if err := p.Control(at, record.ControlRetried, fmt.Sprintf("%d refused messages, by %s: %s", again.Sum().Again, by, reason)); err != nil {
		return err
	}
	for _, r := range revisions {
		if err := p.RevisedByList(r); err != nil {
			return err
		}
	}
	return p.SettleRevisions()
}

// sentAgain is the revision that has refused messages of a batch sent again; its form is
// still to be sealed. rows are in ascending positions.
func (l *Ledger) sentAgain(planned *plan.Batch, rows []record.RefusedRow, now time.Time) *record.Revision {
	number := l.last[planned.Number] + 1
	return &record.Revision{Form: plan.FormID{Batch: planned.Number, Revision: number}, At: now, Code: CodeRetried, Number: number, Parts: []plan.Form{only(rows)}}
}

// only is a form that holds some messages of its batch and no others.
func only(rows []record.RefusedRow) plan.Form {
	f := plan.Form{From: rows[0].Position, To: rows[len(rows)-1].Position + 1}
	next := f.From
	for _, r := range rows {
		for ; next < r.Position; next++ {
			f.Dropped = append(f.Dropped, next)
		}
		next++
	}
	return f
}

// barred picks out of people, whom a list names, those of a batch who were refused, and of
// whom the log does not say yet that they are listed.
func (l *Ledger) BlockedRefused(batch uint32, people []record.RefusedRow) (rows []record.RefusedRow) {
	for _, p := range people {
		if _, refused := RowAt(l.refused[batch], p.Position); refused && !l.isLate(batch, p.Position) {
			rows = append(rows, p)
		}
	}
	return rows
}

// barring is the revision that keeps refused messages from being sent again, since a list
// names their people.
func (l *Ledger) BlockRefused(batch uint32, rows []record.RefusedRow, now time.Time) *record.Revision {
	number := l.last[batch] + 1
	return &record.Revision{Form: plan.FormID{Batch: batch, Revision: number}, At: now, Code: CodeListed, Number: number, Refused: rows}
}

// takeUp folds a revision of refused messages.
func (l *Ledger) takeUp(r *record.Revision) error {
	batch, refused := r.Form.Batch, l.refused[r.Form.Batch]
	illegal := func(why string) error { return fmt.Errorf("%w: %s", ErrIllegal, why) }
	if int(batch) >= len(l.base) || r.Form.Part != 0 || r.N != 0 || r.Number == 0 || r.Number != l.last[batch]+1 || len(r.Parts) > 1 {
		return illegal("a revision of refused messages that follows from nothing")
	}
	if len(l.BlockedRefused(batch, r.Refused)) != len(r.Refused) {
		return illegal("people are listed as refused who were not")
	}
	var again []record.RefusedRow
	for i := range r.Parts {
		again = among(r.Parts[i], refused)
		if len(again) == 0 || len(again) != int(r.Parts[i].Messages) {
			return illegal(fmt.Sprintf("%d messages are sent again, and %d of them were refused", r.Parts[i].Messages, len(again)))
		}
	}
	for _, row := range again {
		if l.isLate(batch, row.Position) {
			return illegal("somebody is sent to again whom a suppression list has named")
		}
	}
	if len(again) > 0 && l.Unsure[batch] {
		return illegal("messages are sent again that an unanswered request may have brought in")
	}
	l.last[batch] = r.Number
	l.Revisions++
	if len(r.Refused) > 0 {
		l.late[batch] = inOrder(l.late[batch], r.Refused)
	}
	for _, form := range r.Parts {
		l.refused[batch] = slices.DeleteFunc(slices.Clone(refused), func(row record.RefusedRow) bool {
			_, taken := RowAt(again, row.Position)
			return taken
		})
		newer := &newerForm{Form: form, state: State{Messages: form.Messages, Reason: l.intern(r.Code)}}
		if l.copied > 0 {
			l.markLost(&newer.state)
		}
		l.newer[r.Form], l.Closed = newer, false
	}
	l.copied = max(l.copied, 1) - 1
	return nil
}
