package shard

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"cohort/ingest/person"
)

// The verdicts on a record. suppressed+r is suppression for the manifest's reason r.
const (
	sendable   = 0
	duplicate  = 1
	suppressed = 2
)

// withdrawn is the tag in the key file for a record that asks not to invite the person.
const withdrawn = 1

// verdictFor is the verdict for a reason of suppression. It adds a new reason to the manifest.
func (b *build) verdictFor(reason string) (byte, error) {
	r := slices.Index(b.manifest.Reasons, reason)
	if r < 0 {
		if r = len(b.manifest.Reasons); r > 255-suppressed {
			return 0, fmt.Errorf("spool: more than %d reasons to leave people out", 256-suppressed)
		}
		b.manifest.Reasons = append(b.manifest.Reasons, reason)
	}
	return byte(suppressed + r), nil
}

// exclude writes the people who must not be sent to to the key files of their shards.
func (b *build) exclude(ctx context.Context) error {
	if b.o.Exclude == nil {
		return b.excludeReplaced()
	}
	for e, err := range b.o.Exclude {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		verdict, err := b.verdictFor(e.Reason)
		if err != nil {
			return err
		}
		for _, number := range b.superseded.of(e.Number) {
			if err := b.listed.add(number, verdict, 0); err != nil {
				return err
			}
		}
	}
	return b.excludeReplaced()
}

// judge makes and writes the verdicts of all shards, several shards at a time. Meanwhile it ends their files.
func (b *build) judge(ctx context.Context) (err error) {
	var ending errgroup.Group
	ending.Go(func() (err error) {
		b.manifest.Shards, err = end(ctx, b.files)
		return err
	})
	defer func() {
		if e := ending.Wait(); err == nil {
			err = e
		}
	}()
	var verdictWithdrawn byte
	if slices.ContainsFunc(b.shards, func(s *shardBuild) bool { return s.withdrawn }) {
		if verdictWithdrawn, err = b.verdictFor(person.CodeWithdrawn); err != nil {
			return err
		}
	}
	if b.verdicts, err = b.create(verdictsFile, verdictSchema); err != nil {
		return err
	}
	for some := range slices.Chunk(b.shards, b.workers) {
		if err := ctx.Err(); err != nil {
			return err
		}
		verdicts := make([][]uint8, len(some))
		var group errgroup.Group
		for i, s := range some {
			group.Go(func() (err error) {
				verdicts[i], err = s.judge(b.o.Duplicates, verdictWithdrawn)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for _, v := range verdicts {
			if err := b.writeVerdicts(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeVerdicts writes and counts the verdicts on one shard.
func (b *build) writeVerdicts(verdicts []uint8) error {
	for _, v := range verdicts {
		switch {
		case v == duplicate:
			b.manifest.Duplicate++
		case v >= suppressed:
			b.manifest.Suppressed++
		}
	}
	return b.verdicts.writeBytes(verdictSchema, verdicts)
}

// writeBytes writes a record batch of one byte a record.
func (w *file) writeBytes(schema *arrow.Schema, values []uint8) error {
	record := array.NewRecord(schema, []arrow.Array{fixed(arrow.PrimitiveTypes.Uint8, len(values), values)}, int64(len(values)))
	defer record.Release()
	return w.write(record)
}

// judge makes the verdicts on the records of a shard, in order. By the rule one record of a
// person counts, and the others are duplicates. A list's reason goes before a withdrawal.
func (s *shardBuild) judge(rule Rule, verdictWithdrawn byte) ([]uint8, error) {
	d := newDedupe(s.keys.n, rule == Latest)
	verdicts := make([]uint8, s.keys.n)
	tags := make([]bool, s.keys.n)
	err := s.keys.each(func(i int, number uint64, tag byte, order int64) {
		tags[i] = tag == withdrawn
		if other := d.add(number, order, rule); other >= 0 {
			verdicts[other] = duplicate
		}
	})
	if err == nil && s.listed != nil {
		err = s.listed.each(func(_ int, number uint64, verdict byte, _ int64) {
			if i := d.find(number); i >= 0 && verdicts[i] == sendable { // the first reason counts
				verdicts[i] = verdict
			}
		})
	}
	for i, said := range tags {
		if said && verdicts[i] == sendable {
			verdicts[i] = verdictWithdrawn
		}
	}
	return verdicts, err
}
