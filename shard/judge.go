package shard

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// The verdicts on a sendable record. Suppression for reason r of the manifest is
// suppressed+r.
const (
	sendable   = 0
	duplicate  = 1
	suppressed = 2
)

// exclude deals out the people who must not be sent to.
func (b *build) exclude(ctx context.Context) error {
	if b.o.Exclude == nil {
		return nil
	}
	for e, err := range b.o.Exclude {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		reason := slices.Index(b.manifest.Reasons, e.Reason)
		if reason < 0 {
			if reason = len(b.manifest.Reasons); reason > 255-suppressed {
				return fmt.Errorf("spool: more than %d reasons to leave people out", 256-suppressed)
			}
			b.manifest.Reasons = append(b.manifest.Reasons, e.Reason)
		}
		s := b.shards[Of(e.Number, len(b.shards))]
		if err := s.listed.add(e.Number.Uint64(), byte(suppressed+reason)); err != nil {
			return err
		}
	}
	return nil
}

// judge finds the duplicates and the suppressed of every shard and writes the
// verdicts.
func (b *build) judge(ctx context.Context) error {
	var err error
	if b.verdicts, err = createFile(b.dir, verdictsFile, verdictSchema); err != nil {
		return err
	}
	builder := array.NewUint8Builder(memory.DefaultAllocator)
	defer builder.Release()
	for _, s := range b.shards {
		if err := ctx.Err(); err != nil {
			return err
		}
		verdicts, err := s.judge()
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			switch {
			case v == duplicate:
				b.manifest.Duplicate++
			case v >= suppressed:
				b.manifest.Suppressed++
			}
		}
		builder.AppendValues(verdicts, nil)
		column := builder.NewArray()
		record := array.NewRecord(verdictSchema, []arrow.Array{column}, int64(len(verdicts)))
		err = b.verdicts.write(record)
		record.Release()
		column.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// judge finds, for each record of the shard in order, whether it may be sent to: the
// first record of a person counts, unless the person is listed.
func (s *shardBuild) judge() ([]uint8, error) {
	listed := map[uint64]byte{}
	if err := s.listed.each(func(_ int, key uint64, tag byte) {
		if _, known := listed[key]; !known {
			listed[key] = tag
		}
	}); err != nil {
		return nil, err
	}
	verdicts := make([]uint8, s.keys.n)
	seen := newNumberSet(s.keys.n)
	err := s.keys.each(func(i int, key uint64, _ byte) {
		switch {
		case !seen.add(key):
			verdicts[i] = duplicate
		case len(listed) > 0:
			verdicts[i] = listed[key]
		}
	})
	return verdicts, err
}

// numberSet is a set of NHS numbers, which are never 0: open addressing over a table
// at most half full.
type numberSet struct {
	table []uint64
	mask  uint64
}

func newNumberSet(n int) *numberSet {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return &numberSet{table: make([]uint64, size), mask: uint64(size - 1)}
}

// add reports whether key was not in the set before.
func (s *numberSet) add(key uint64) bool {
	for i := key * 0x9E3779B97F4A7C15 >> 17 & s.mask; ; i = (i + 1) & s.mask {
		switch s.table[i] {
		case 0:
			s.table[i] = key
			return true
		case key:
			return false
		}
	}
}
