package ledger

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// CodeListedTooLate is the code of a message that was attempted before a suppression list named the person. The
// message was accepted, or may have been.
const CodeListedTooLate = "listed_too_late"

// CodeListed is the code of a form that was replaced, or is held, because a suppression list names people in it.
const CodeListed = "listed"

// ListedBatch has the listed people of one batch. The last one of a reading has Read or Err.
type ListedBatch struct {
	Planned plan.Batch
	People  []record.RefusedRow // in ascending positions
	Last    bool
	Read    []plan.ListRead
	Err     error
}

// ByBatch groups listed people by the batch that they were planned in, and calls give for each batch. The people
// come lane by lane, in ascending positions.
func ByBatch(ctx context.Context, planned *plan.Plan, people iter.Seq2[plan.Listed, error], give func(ListedBatch)) error {
	var b ListedBatch
	var next, end uint32 // the batches of the lane after b
	lane := person.Lane(-1)
	done := func() {
		if len(b.People) > 0 {
			give(b)
			b.People = nil
		}
	}
	for p, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if p.Lane != lane {
			done()
			lane, b.Planned = p.Lane, plan.Batch{}
			next, end = planned.LaneBatches(lane)
		}
		for p.Position >= b.Planned.To {
			done()
			if next == end {
				return fmt.Errorf("position %d of lane %d is in no batch", p.Position, lane)
			}
			if b.Planned, err = planned.Batch(next); err != nil {
				return err
			}
			next++
		}
		b.People = append(b.People, record.RefusedRow{Position: p.Position, Code: p.Code})
	}
	done()
	return nil
}

// SplitListed sorts the listed people of a form. Those in out can still be excluded. Those in late cannot, since an
// attempt of the form may have been accepted; late excludes people who are late in the log already.
func (l *Ledger) SplitListed(id plan.FormID, form plan.Form, people []record.RefusedRow) (out, late []record.RefusedRow) {
	people = among(form, people)
	if l.State(id).isClean() {
		return people, nil
	}
	return nil, slices.DeleteFunc(people, func(p record.RefusedRow) bool { return l.IsLate(id.Batch, p.Position) })
}

// WithoutListed returns the revision of a form without listed people. Its part is not sealed yet.
func (l *Ledger) WithoutListed(id plan.FormID, form plan.Form, people []record.RefusedRow, now time.Time) *record.Revision {
	return &record.Revision{
		Form: id, At: now, Code: CodeListed, Number: l.NextRevision(id.Batch),
		Parts: Without(form, int(l.State(id).Messages), people), Refused: people,
	}
}

// Revision returns the revision for an answer to attempt n of a form. Its parts are not sealed yet.
func (l *Ledger) Revision(
	id plan.FormID, n uint16, a engine.Answer, parts []plan.Form, refused []record.RefusedRow, now time.Time,
) *record.Revision {
	return &record.Revision{
		Form: id, N: n, At: now, Status: a.Status, Code: a.Code, Number: l.NextRevision(id.Batch),
		Parts: parts, Refused: refused, Sure: !l.State(id).IsDoubtful(),
	}
}

// Without returns a form without some of its messages; nil when none is left.
func Without(f plan.Form, messages int, rows []record.RefusedRow) []plan.Form {
	if len(rows) >= messages {
		return nil
	}
	positions := make([]uint32, len(rows))
	for i, row := range rows {
		positions[i] = row.Position
	}
	return []plan.Form{f.Without(positions)}
}

// among returns the people with a message in f.
func among(f plan.Form, people []record.RefusedRow) (in []record.RefusedRow) {
	for _, p := range people {
		if is, _ := f.Holds(p.Position); is {
			in = append(in, p)
		}
	}
	return in
}

// InForm returns the people with a message in a form; nil when there is no such form.
func (l *Ledger) InForm(id plan.FormID, people []record.RefusedRow) []record.RefusedRow {
	form, err := l.Form(id)
	if err != nil {
		return nil
	}
	return among(form, people)
}

// IsLate reports whether the log says that a person of a batch was listed too late.
func (l *Ledger) IsLate(batch, position uint32) bool {
	_, known := RowAt(l.late[batch], position)
	return known
}

// isLateForm reports whether the log says that somebody in a form was listed too late.
func (l *Ledger) isLateForm(batch uint32, f plan.Form) bool { return len(among(f, l.late[batch])) > 0 }

// RowAt finds the row with a position. The rows are in ascending positions.
func RowAt(rows []record.RefusedRow, position uint32) (record.RefusedRow, bool) {
	if i, found := slices.BinarySearchFunc(rows, record.RefusedRow{Position: position}, ByPosition); found {
		return rows[i], true
	}
	return record.RefusedRow{}, false
}

// ByPosition orders rows by position.
func ByPosition(a, b record.RefusedRow) int { return cmp.Compare(a.Position, b.Position) }

func inOrder(rows, more []record.RefusedRow) []record.RefusedRow {
	rows = append(rows, more...)
	slices.SortFunc(rows, ByPosition)
	return rows
}
