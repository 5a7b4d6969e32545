package report

import (
	"encoding/binary"
	"path/filepath"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// columnWriter takes the columns of a group in their order. A value is as in Parquet; an empty one is null.
type columnWriter interface {
	integers(values []int64)
	own(value func(dst []byte, row int) []byte)
	shared(which []uint16, n int, value func(dst []byte, entry int) []byte)
}

// columns writes the columns of row, and those to keep.
func (g *group) columns(e columnWriter, plan *plan.Plan) {
	none := len(plan.LaneStarts)
	each := func(value func(dst []byte, t *told) []byte) {
		e.shared(g.outcomes, len(g.told), func(dst []byte, i int) []byte { return value(dst, &g.told[i]) })
	}
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
	e.own(func(dst []byte, i int) []byte { return append(dst, g.references[i]...) })
	each(func(dst []byte, t *told) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(t.Attempts)) })
	each(func(dst []byte, t *told) []byte { return appendTime(dst, t.FirstAttempt) })
	each(func(dst []byte, t *told) []byte { return appendTime(dst, t.AcceptedAt) })
	each(func(dst []byte, t *told) []byte { return append(dst, t.template...) })
	fact := func(value func(dst []byte, s *delivery.State) []byte) {
		e.shared(g.states, len(g.known), func(dst []byte, i int) []byte { return value(dst, &g.known[i]) })
	}
	fact(func(dst []byte, s *delivery.State) []byte { return append(dst, s.Status...) })
	fact(func(dst []byte, s *delivery.State) []byte { return append(dst, s.DeliveredChannel...) })
	fact(func(dst []byte, s *delivery.State) []byte { return appendTime(dst, s.DeliveredAt) })
	fact(func(dst []byte, s *delivery.State) []byte { return appendTime(dst, s.ReadAt) })
	fact(func(dst []byte, s *delivery.State) []byte { return append(dst, s.Code...) })
	fact(func(dst []byte, s *delivery.State) []byte { return append(dst, delivery.WordsFor(s.Code, s.Reason)...) })
	fact(func(dst []byte, s *delivery.State) []byte { return appendTime(dst, s.LastEventAt) })
	fact(func(dst []byte, s *delivery.State) []byte { return append(dst, s.RoutingVersion...) })
	for _, values := range g.kept {
		e.own(func(dst []byte, i int) []byte { return append(dst, values[i]...) })
	}
}

// appendTime appends a time in milliseconds, and nothing for the zero time.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(t.UnixMilli()))
}
