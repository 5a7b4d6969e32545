package report

import (
	"encoding/binary"
	"path/filepath"
	"time"

	"cohort/engine/plan"
	"cohort/ingest/person"
)

// encode encodes a group as the next row group. The columns are those of row. An empty value is null.
func (g *group) encode(e *encoder, plan *plan.Plan) ([]chunk, error) {
	none := len(plan.LaneStarts)
	each := func(value func(dst []byte, t *told) []byte) {
		e.shared(g.outcomes, len(g.told), func(dst []byte, i int) []byte { return value(dst, &g.told[i]) })
	}
	e.begin(len(g.rows))
	e.integers(g.rows)
	e.shared(g.files, len(plan.Cohort.Files), func(dst []byte, file int) []byte {
		return append(dst, filepath.Base(plan.Cohort.Files[file].Path)...)
	})
	e.integers(g.lines)
	e.own(func(dst []byte, i int) []byte {
		if g.numbers[i] == noNumber {
			return append(dst, g.found[i]...)
		}
		return person.NHSNumber(g.numbers[i]).AppendDigits(dst)
	})
	each(func(dst []byte, t *told) []byte { return append(dst, t.Fate...) })
	each(func(dst []byte, t *told) []byte { return append(dst, t.Code...) })
	each(func(dst []byte, t *told) []byte { return append(dst, t.Reason...) })
	e.shared(g.shards, none+1, func(dst []byte, shard int) []byte {
		if shard == none {
			return dst
		}
		return binary.LittleEndian.AppendUint32(dst, uint32(shard))
	})
	each(func(dst []byte, t *told) []byte { return append(dst, t.BatchReference...) })
	e.own(func(dst []byte, i int) []byte {
		if !g.told[g.outcomes[i]].planned {
			return dst
		}
		reference := plan.References.Message(g.rows[i])
		return append(dst, reference[:]...)
	})
	e.own(func(dst []byte, i int) []byte { return append(dst, g.ids[i]...) })
	e.own(func(dst []byte, i int) []byte {
		if len(g.references) == 0 {
			return dst
		}
		return append(dst, g.references[i]...)
	})
	each(func(dst []byte, t *told) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(t.Attempts)) })
	each(func(dst []byte, t *told) []byte { return appendTime(dst, t.FirstAttempt) })
	each(func(dst []byte, t *told) []byte { return appendTime(dst, t.AcceptedAt) })
	each(func(dst []byte, t *told) []byte { return append(dst, t.template...) })
	return e.end()
}

// appendTime appends a time in milliseconds, and nothing for the zero time.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(t.UnixMilli()))
}
