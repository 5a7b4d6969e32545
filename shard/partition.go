package shard

import (
	"cmp"
	"context"
	"iter"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"cohort/ingest/person"
)

// sliced is one batch of records, sorted by shard.
type sliced struct {
	record arrow.Record
	in     *incoming // the columns of record
	which  []int32   // indices of records, shard by shard; in the order of the file within a shard
	ends   []int32   // by shard: the end of its indices in which
}

// partition distributes the records to the shards. Every shard has one worker, which keeps the
// order of its records, and writes them. The caller's goroutine reads the
// batches and slices them. A worker is at most two batches behind.
func (b *build) partition(ctx context.Context, records iter.Seq2[arrow.Record, error]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, working := errgroup.WithContext(ctx)
	queues := make([]chan sliced, b.workers)
	for w := range queues {
		queues[w] = make(chan sliced, 2)
		group.Go(func() error { return b.work(working, w, queues[w]) })
	}
	err := b.read(working, records, queues)
	if err != nil {
		cancel()
	}
	for _, c := range queues {
		close(c)
	}
	if e := group.Wait(); err == nil {
		err = e
	}
	for _, c := range queues {
		for h := range c { // a failed worker has left them
			h.record.Release()
		}
	}
	return err
}

// read gives every batch to all workers. It ends with the error of a worker that fails.
func (b *build) read(ctx context.Context, records iter.Seq2[arrow.Record, error], queues []chan sliced) error {
	for record, err := range records {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		h, err := b.slice(record)
		if err != nil {
			return err
		}
		for _, c := range queues {
			record.Retain()
			select {
			case c <- h:
			case <-ctx.Done():
				record.Release()
				return context.Cause(ctx)
			}
		}
	}
	return cmp.Or(context.Cause(ctx), b.writeInvalid(1))
}

// slice sorts the records of a batch by shard, and writes the invalid ones.
func (b *build) slice(r arrow.Record) (h sliced, err error) {
	numbers := r.Column(person.ColumnNumber).(*array.Uint64)
	values, nulls, shards := numbers.Uint64Values(), numbers.NullN() > 0, len(b.shards)
	of := make([]int32, len(values))
	h = sliced{record: r, in: newIncoming(r, int(r.NumCols())-person.FirstField), ends: make([]int32, shards)}
	for i, n := range values {
		if nulls && numbers.IsNull(i) {
			of[i] = -1
			continue
		}
		of[i] = int32(Index(person.NHSNumber(n), shards))
		h.ends[of[i]]++
	}
	valid := int32(0)
	for s, n := range h.ends { // counts become starts
		h.ends[s] = valid
		valid += n
	}
	h.which = make([]int32, valid)
	for i, s := range of { // and starts become ends
		if s >= 0 {
			h.which[h.ends[s]] = int32(i)
			h.ends[s]++
		}
	}
	invalid := len(values) - int(valid)
	b.manifest.Records += r.NumRows()
	b.manifest.Invalid += int64(invalid)
	if invalid > 0 {
		err = b.keepInvalid(r, numbers)
	}
	return h, err
}

// keepInvalid takes the invalid records of a batch, and writes them when they fill a record batch.
func (b *build) keepInvalid(r arrow.Record, numbers *array.Uint64) error {
	builder := b.unwritten
	for i := range int(r.NumRows()) {
		if !numbers.IsNull(i) {
			continue
		}
		builder.Field(invalidRow).(*array.Int64Builder).Append(r.Column(person.ColumnRow).(*array.Int64).Value(i))
		builder.Field(invalidFileIndex).(*array.Uint16Builder).Append(r.Column(person.ColumnFile).(*array.Uint16).Value(i))
		builder.Field(invalidLine).(*array.Int64Builder).Append(r.Column(person.ColumnLine).(*array.Int64).Value(i))
		for _, column := range []struct{ to, from int }{
			{invalidFound, person.ColumnFound}, {invalidCode, person.ColumnCode}, {invalidReason, person.ColumnReason}, {invalidReference, person.ColumnReference},
		} {
			if from := r.Column(column.from).(*array.String); from.IsNull(i) {
				builder.Field(column.to).AppendNull()
			} else {
				builder.Field(column.to).(*array.StringBuilder).Append(from.Value(i))
			}
		}
	}
	return b.writeInvalid(b.o.BatchRows)
}

// writeInvalid writes the invalid records that keepInvalid took, if they are so many at least.
func (b *build) writeInvalid(least int) error {
	if b.unwritten.Field(invalidRow).Len() < least {
		return nil
	}
	out := b.unwritten.NewRecord()
	defer out.Release()
	return b.invalid.write(out)
}

// work takes the records of the shards of worker w, until the queue ends.
func (b *build) work(ctx context.Context, w int, queues <-chan sliced) error {
	for h := range queues {
		err := ctx.Err()
		for s := w; s < len(b.shards) && err == nil; s += b.workers {
			start := int32(0)
			if s > 0 {
				start = h.ends[s-1]
			}
			which := h.which[start:h.ends[s]]
			if b.manifest.Routes > 1 {
				b.shards[s].routes = gather(b.shards[s].routes, h.in.routes, which)
			}
			had := b.shards[s].texts != nil
			err = b.shards[s].take(h.in, which, b.o.BatchRows)
			if !had && b.shards[s].texts != nil && int(b.texted.Add(1)) == len(b.shards) && b.o.Enough != nil {
				b.o.Enough()
			}
		}
		h.record.Release()
		if err != nil {
			return err
		}
	}
	for s := w; s < len(b.shards); s += b.workers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.shards[s].flush(); err != nil {
			return err
		}
		b.shards[s].record = recordBuilder{} // frees its memory
	}
	return nil
}

// take appends records to the shard, and writes every full record batch.
func (s *shardBuild) take(in *incoming, which []int32, batchRows int) error {
	for _, i := range which {
		tag := byte(0)
		if in.withdrawn != nil && in.withdrawn.Value(int(i)) {
			tag, s.withdrawn = withdrawn, true
		}
		if err := s.keys.add(in.numbers[i], tag, in.orders[i]); err != nil {
			return err
		}
	}
	for len(which) > 0 {
		n := min(len(which), batchRows-len(s.record.rows))
		fields := in.fields
		if s.texts != nil {
			fields = nil
		}
		if err := s.record.take(in, fields, which[:n]); err != nil {
			return err
		}
		which = which[n:]
		if len(s.record.rows) == batchRows {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shardBuild) flush() error {
	if len(s.record.rows) == 0 {
		return nil
	}
	if s.counts && s.texts == nil {
		s.texts = s.record.texts()
	}
	r := s.record.build(s.schema)
	defer r.Release()
	err := s.file.write(r)
	s.record.empty()
	return err
}
