package ledger

import (
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// less is what is left of f, which holds so many messages, without some rows of it:
// nothing when they are all.
func Less(f plan.Form, messages int, rows []record.RefusedRow) []plan.Form {
	if len(rows) >= messages {
		return nil
	}
	positions := make([]uint32, len(rows))
	for i, row := range rows {
		positions[i] = row.Position
	}
	return []plan.Form{f.Without(positions)}
}

// among picks out of people, in ascending positions, those whose messages f holds.
func among(f plan.Form, people []record.RefusedRow) []record.RefusedRow {
	var in []record.RefusedRow
	for _, p := range people {
		if _, dropped := slices.BinarySearch(f.Dropped, p.Position); !dropped && p.Position >= f.From && p.Position < f.To {
			in = append(in, p)
		}
	}
	return in
}

// replaced is the revision that an answer to attempt n of a form asks for; its parts
// are still to be sealed.
func (l *Ledger) Revision(id plan.FormID, n uint16, a engine.Answer, parts []plan.Form, refused []record.RefusedRow, now time.Time) *record.Revision {
	return &record.Revision{
		Form: id, N: n, At: now, Status: a.Status, Code: a.Code,
		Number: l.last[id.Batch] + 1, Parts: parts, Refused: refused, Sure: !l.State(id).InDoubt,
	}
}
