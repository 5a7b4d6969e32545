package plan

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cohort/engine"
	"cohort/ingest/person"
)

// Cut renders each message once and cuts each lane into batches. It returns the batches by lane. Boundaries depend on
// the cohort file and the frozen keys alone: suppressed people count, though they are in no body. A message beyond the
// sink's limits is an *engine.UnfitError.
func Cut(ctx context.Context, run engine.RunID, source engine.Source, sink engine.Sink, limits engine.Limits) ([][]Batch, error) {
	lanes := make([][]Batch, source.Lanes())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		g.Go(func() (err error) {
			lanes[lane], err = cutLane(ctx, run, source, sink, limits, person.Lane(lane))
			return err
		})
	}
	return lanes, g.Wait()
}

func cutLane(ctx context.Context, run engine.RunID, source engine.Source, sink engine.Sink, limits engine.Limits, lane person.Lane) ([]Batch, error) {
	var (
		batches []Batch
		open    Batch // the batch that is being filled
		sized   int   // its bytes, suppressed people counted
		counted int   // its messages, suppressed people counted
		digest  = sha256.New()
		scratch []byte
	)
	begin := func(from uint32) {
		open = Batch{Form: Form{From: from}, Lane: lane, Ordinal: uint32(len(batches))}
		digest.Reset()
		scratch = sink.AppendHead(scratch[:0], run.BatchReference(lane, open.Ordinal, 0, 0), engine.RouteOf(source, lane))
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
	separator := engine.SeparatorOf(sink)
	positions := source.Positions(lane)
	if positions == 0 {
		return nil, nil
	}
	begin(0)
	asks := engine.AsksOf(sink)
	var p person.Recipient // one for all, since the sink gets its address
	for next, err := range source.Recipients(lane, 0, positions) {
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
			reason := fmt.Sprintf("it makes a request of %d bytes and one may have %d", sized+len(scratch), limits.Bytes)
			return nil, &engine.UnfitError{Row: p.Row, Code: person.CodeTooLong, Reason: reason}
		}
		sized += len(scratch)
		counted++
		if p.Suppressed {
			continue
		}
		if l := engine.Unkept(asks, &p); l != nil {
			return nil, &engine.UnfitError{Row: p.Row, Code: l.Code, Reason: l.Words}
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
