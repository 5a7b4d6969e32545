package ingest

import "slices"

// tally counts the outcomes of records: of all, or of one chunk.
type tally struct {
	records  int64
	sendable int64
	test     int64 // sendable records of test patients
	nearly   int64 // sendable records that would be withdrawn if case did not matter
	blank    int64 // empty lines
	reasons  []Reason
}

// another makes an empty tally with the same reasons.
func (t *tally) another() tally {
	other := tally{reasons: slices.Clone(t.reasons)}
	for v := range other.reasons {
		other.reasons[v].Lines, other.reasons[v].Files = nil, nil
	}
	other.reset()
	return other
}

func (t *tally) reset() {
	t.records, t.sendable, t.test, t.nearly, t.blank = 0, 0, 0, 0, 0
	for v := range t.reasons {
		r := &t.reasons[v]
		r.Count, r.Lines, r.Files = 0, r.Lines[:0], r.Files[:0]
	}
}

// add adds the tally of the next records in the cohort's order: a reason keeps the lines that
// were added first.
func (t *tally) add(next *tally) {
	t.records += next.records
	t.sendable += next.sendable
	t.test += next.test
	t.nearly += next.nearly
	t.blank += next.blank
	for v := range next.reasons {
		more, r := &next.reasons[v], &t.reasons[v]
		r.Count += more.Count
		for i := 0; i < len(more.Lines) && len(r.Lines) < maxLines; i++ {
			r.Lines, r.Files = append(r.Lines, more.Lines[i]), append(r.Files, more.Files[i])
		}
	}
}
