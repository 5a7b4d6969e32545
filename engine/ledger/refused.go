package ledger

import (
	"slices"
	"strings"
	"time"

	"cohort/engine/plan"
	"cohort/engine/record"
)

// A refused message is sent again in a new form. The revision that makes this form is named after the form itself
// and replaces no form. It takes messages only from the refused rows of its batch, and the ledger checks that. So
// nobody who was accepted, or may have been, is in the form. Without a part, such a revision names refused people
// who are on a suppression list: they are never sent again, even when the list forgets them.
//
// A person who mends the cause of a refusal changes the service's rules within ValidatorMemory. Until then a refusal
// of rows also speaks for earlier requests of the form that are still on their way. Afterwards such a request may be
// accepted. So when a form was replaced in doubt, no refused message of its batch is sent again (unsure).

// CodeRetried is the code of a revision that sends refused messages again.
const CodeRetried = "retried"

// CodeUploadRefused begins the code of messages that stand in a file that the service refused. They were accepted
// here, since they stand in the file.
const CodeUploadRefused = "upload_refused_"

// CodeUploadTaken is the code of messages that were to be sent again and are not: the service refused their file and
// worked on it all the same.
const CodeUploadTaken = CodeUploadRefused + "and_taken"

// IsUploadRefused reports whether a code says that a file was refused.
func IsUploadRefused(code string) bool { return strings.HasPrefix(code, CodeUploadRefused) }

// BlockedRefused returns those of the listed people of a batch who were refused, and are not blocked yet.
func (l *Ledger) BlockedRefused(batch uint32, people []record.RefusedRow) (rows []record.RefusedRow) {
	for _, p := range people {
		if _, refused := RowAt(l.refused[batch], p.Position); refused && !l.IsLate(batch, p.Position) {
			rows = append(rows, p)
		}
	}
	return rows
}

// BlockRefused returns the revision that keeps refused messages from being sent again, since a list names the people.
func (l *Ledger) BlockRefused(batch uint32, rows []record.RefusedRow, now time.Time) *record.Revision {
	number := l.NextRevision(batch)
	return &record.Revision{
		Form: plan.FormID{Batch: batch, Revision: number}, At: now, Code: CodeListed, Number: number, Refused: rows,
	}
}

// SendRefusedAgain returns the revision that sends refused rows of a batch again. Its part is not sealed yet. The
// rows are in ascending positions.
func (l *Ledger) SendRefusedAgain(batch uint32, rows []record.RefusedRow, now time.Time) *record.Revision {
	f := plan.Form{From: rows[0].Position, To: rows[len(rows)-1].Position + 1}
	next := f.From
	for _, r := range rows {
		for ; next < r.Position; next++ {
			f.Dropped = append(f.Dropped, next)
		}
		next++
	}
	number := l.NextRevision(batch)
	return &record.Revision{
		Form: plan.FormID{Batch: batch, Revision: number}, At: now, Code: CodeRetried, Number: number, Parts: []plan.Form{f},
	}
}

func (l *Ledger) reviseRefused(r *record.Revision) error {
	batch, refused := r.Form.Batch, l.refused[r.Form.Batch]
	if int(batch) >= len(l.base.packed) || r.Form.Part != 0 || r.N != 0 || r.Number == 0 || r.Number != l.NextRevision(batch) ||
		len(r.Parts) > 1 {
		return illegal("a revision of refused messages does not follow from the records before it")
	}
	if len(l.BlockedRefused(batch, r.Refused)) != len(r.Refused) {
		return illegal("people are listed as refused who were not refused")
	}
	for _, f := range r.Parts {
		again := among(f, refused)
		switch {
		case len(again) == 0 || len(again) != int(f.Messages):
			return illegal("%d messages are sent again, and %d of them were refused", f.Messages, len(again))
		case l.isLateForm(batch, f):
			return illegal("somebody on a suppression list is sent to again")
		case l.unsure[batch]:
			return illegal("messages are sent again that an unanswered request may have brought in")
		}
		l.refused[batch] = slices.DeleteFunc(slices.Clone(refused), func(row record.RefusedRow) bool {
			_, taken := RowAt(again, row.Position)
			return taken
		})
		l.totalsOf(batch).refused -= int64(len(again))
		l.addForm(r.Form, f, l.intern(r.Code))
		l.facts.Closed, l.again[batch] = false, true
	}
	l.revised(r)
	if len(r.Refused) > 0 {
		l.late[batch] = inOrder(l.late[batch], r.Refused)
	}
	return nil
}

// uploadTaken folds ControlTaken: the service worked on a file that it had refused. From now on no refused message of
// its batches is sent again. Those that were about to be sent again are refused again.
func (l *Ledger) uploadTaken(batches string) error {
	numbers, err := batchesOf(batches, len(l.base.packed))
	if err != nil {
		return err
	}
	for _, batch := range numbers {
		l.unsure[batch] = true
	}
	retried := l.intern(CodeRetried)
	for id, n := range l.newer {
		if !l.unsure[id.Batch] || !n.state.isClean() || n.state.Attempts > 0 || n.state.Reason != retried {
			continue
		}
		s := n.state
		s.Phase, s.Reason = Replaced, l.intern(CodeUploadTaken)
		l.put(id, &s)
		var rows []record.RefusedRow
		for position := n.From; position < n.To; position++ {
			if _, dropped := slices.BinarySearch(n.Dropped, position); !dropped {
				rows = append(rows, record.RefusedRow{Position: position, Code: CodeUploadTaken})
			}
		}
		l.refused[id.Batch] = inOrder(slices.Clone(l.refused[id.Batch]), rows)
		l.totalsOf(id.Batch).refused += int64(len(rows))
		delete(l.due, id)
	}
	return nil
}
