package ingest

import "slices"

// another makes an empty summary with the same reasons.
func (t *Summary) another() Summary {
	other := Summary{Reasons: slices.Clone(t.Reasons)}
	for v := range other.Reasons {
		other.Reasons[v].Lines, other.Reasons[v].Files = nil, nil
	}
	other.reset()
	return other
}

func (t *Summary) reset() {
	*t = Summary{Reasons: t.Reasons}
	for v := range t.Reasons {
		r := &t.Reasons[v]
		r.Count, r.Lines, r.Files = 0, r.Lines[:0], r.Files[:0]
	}
}

// add adds the summary of the next records in the cohort's order: a reason keeps the lines that
// were added first.
func (t *Summary) add(next *Summary) {
	t.Records += next.Records
	t.Sendable += next.Sendable
	t.Test += next.Test
	t.Nearly += next.Nearly
	t.BlankLines += next.BlankLines
	for v := range next.Reasons {
		more, r := &next.Reasons[v], &t.Reasons[v]
		r.Count += more.Count
		for i := 0; i < len(more.Lines) && len(r.Lines) < maxLines; i++ {
			r.Lines, r.Files = append(r.Lines, more.Lines[i]), append(r.Files, more.Files[i])
		}
	}
}
