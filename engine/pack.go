package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"cohort/ingest/person"
)

// Smooth lowers the number of messages in a batch to what the even rate (messages a
// second; 0: none) sends in span, so that a slow pace is a trickle and not a few
// large gulps.
func (l Limits) Smooth(rate float64, span time.Duration) Limits {
	if rate > 0 {
		l.Messages = min(l.Messages, max(1, int(math.Floor(rate*span.Seconds()))))
	}
	return l
}

// UnfitError says that the service would refuse the message of one record. It is a defect:
// the record should have been invalid (see Asked).
type UnfitError struct {
	Row    int64
	Code   string
	Reason string // in words, without personal data
}

// Error names the record by its row.
func (e *UnfitError) Error() string {
	return fmt.Sprintf("record %d should have been invalid (%s: %s), and was taken for one that can be sent; this is a defect of cohort", e.Row, e.Code, e.Reason)
}

// Cut renders every message of every shard once and cuts the shards into batches,
// which it returns by shard. Boundaries depend on the cohort file and the frozen
// keys alone: suppressed people count in them, though they are in no body. Every message is held
// once more against what a record is Asked: one that does not keep to it is an *UnfitError.
func Cut(ctx context.Context, run RunID, source Source, sink Sink, limits Limits) ([][]PlannedBatch, error) {
	shards := make([][]PlannedBatch, source.Shards())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for shard := range shards {
		g.Go(func() (err error) {
			shards[shard], err = cutShard(ctx, run, source, sink, limits, uint32(shard))
			return err
		})
	}
	return shards, g.Wait()
}

func cutShard(ctx context.Context, run RunID, source Source, sink Sink, limits Limits, shard uint32) ([]PlannedBatch, error) {
	var (
		batches []PlannedBatch
		open    PlannedBatch // the batch that is being filled
		sized   int          // its bytes, suppressed people counted
		counted int          // its messages, suppressed people counted
		digest  = sha256.New()
		scratch []byte
	)
	begin := func(from uint32) {
		open = PlannedBatch{Form: Form{From: from}, Shard: shard, Ordinal: uint32(len(batches))}
		digest.Reset()
		scratch = sink.AppendHead(scratch[:0], run.BatchReference(shard, open.Ordinal, 0, 0), routeOf(source, shard))
		digest.Write(scratch)
		open.Bytes, counted = uint32(len(scratch)), 0
		sized = len(scratch) + len(sink.AppendTail(scratch[:0]))
	}
	end := func(to uint32) {
		scratch = sink.AppendTail(scratch[:0])
		digest.Write(scratch)
		open.Bytes += uint32(len(scratch))
		open.To = to
		digest.Sum(open.SHA256[:0])
		batches = append(batches, open)
	}
	separator := separatorOf(sink)
	positions := source.Positions(int(shard))
	if positions == 0 {
		return nil, nil
	}
	begin(0)
	asks := asksOf(sink)
	var p person.Recipient // one for all, since the sink is given its address
	for next, err := range source.Recipients(int(shard), 0, positions) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		p = next
		// The separator before it is counted for the first message too: a byte of slack.
		scratch = sink.AppendMessage(append(scratch[:0], separator...), run.MessageReference(p.Row), &p)
		if counted > 0 && (counted == limits.Messages || sized+len(scratch) > limits.Bytes) {
			message := append([]byte(nil), scratch...)
			end(p.Position)
			begin(p.Position)
			scratch = append(scratch[:0], message...)
		}
		if sized+len(scratch) > limits.Bytes && !p.Suppressed {
			return nil, &UnfitError{p.Row, person.CodeTooLong, fmt.Sprintf("it makes a request of %d bytes and one may have %d", sized+len(scratch), limits.Bytes)}
		}
		sized += len(scratch)
		counted++
		if p.Suppressed {
			continue
		}
		if l := unkept(asks, &p); l != nil {
			return nil, &UnfitError{p.Row, l.Code, l.Words}
		}
		message := scratch
		if open.Messages == 0 {
			message = scratch[len(separator):]
		}
		digest.Write(message)
		open.Bytes += uint32(len(message))
		open.Messages++
	}
	end(positions)
	return batches, nil
}
