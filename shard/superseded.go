package shard

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
)

// succession maps superseded numbers to the numbers in the spool. It is read-only once made.
type succession struct {
	old, current []uint64 // in the order of old, which may repeat with several current numbers
}

// of lists the numbers that a person may have in the spool.
func (s succession) of(n person.NHSNumber) []uint64 {
	first, found := slices.BinarySearch(s.old, n.Uint64())
	if !found {
		return []uint64{n.Uint64()}
	}
	end := first
	for end < len(s.old) && s.old[end] == n.Uint64() {
		end++
	}
	return s.current[first:end]
}

var supersededSchema = arrow.NewSchema([]arrow.Field{
	{Name: "old", Type: arrow.PrimitiveTypes.Uint64},
	{Name: "current", Type: arrow.PrimitiveTypes.Uint64},
}, nil)

// supersede keeps and writes the superseded numbers.
func (b *build) supersede(context.Context) error {
	if b.o.Superseded == nil {
		return nil
	}
	for old, current := range b.o.Superseded {
		if n := len(b.superseded.old); n > 0 && b.superseded.old[n-1] > old.Uint64() {
			return fmt.Errorf("spool: the superseded numbers are not in order")
		}
		b.superseded.old = append(b.superseded.old, old.Uint64())
		b.superseded.current = append(b.superseded.current, current.Uint64())
	}
	var err error
	if b.successions, err = b.create(supersededFile, supersededSchema); err != nil {
		return err
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, supersededSchema)
	defer builder.Release()
	builder.Field(0).(*array.Uint64Builder).AppendValues(b.superseded.old, nil)
	builder.Field(1).(*array.Uint64Builder).AppendValues(b.superseded.current, nil)
	r := builder.NewRecord()
	defer r.Release()
	return b.successions.write(r)
}

// readSuperseded reads what supersede wrote, if it did.
func (s *Spool) readSuperseded() error {
	if !slices.ContainsFunc(s.Manifest.Others, func(f FileInfo) bool { return f.File == supersededFile }) {
		return nil
	}
	name := filepath.Join(s.dir, supersededFile)
	f, r, err := openArrow(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for i := 0; err == nil && i < r.NumRecords(); i++ {
		var record arrow.Record
		if record, err = r.RecordAt(i); err == nil {
			s.superseded.old = append(s.superseded.old, record.Column(0).(*array.Uint64).Uint64Values()...)
			s.superseded.current = append(s.superseded.current, record.Column(1).(*array.Uint64).Uint64Values()...)
		}
	}
	if err != nil {
		return fmt.Errorf("%s is damaged: %w", name, err)
	}
	return nil
}

// Superseded yields every superseded number of the cohort, ascending, with the person's number
// in the spool.
func (s *Spool) Superseded() iter.Seq2[person.NHSNumber, person.NHSNumber] {
	return func(yield func(old, current person.NHSNumber) bool) {
		for i, old := range s.superseded.old {
			if !yield(person.NHSNumber(old), person.NHSNumber(s.superseded.current[i])) {
				return
			}
		}
	}
}
