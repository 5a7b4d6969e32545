package plan

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"cohort/engine"
	"cohort/ingest/person"
)

// Cut renders each message once and cuts each lane into batches. It returns the batches by lane. Boundaries depend on
// the cohort file and the frozen keys alone: suppressed people count, though they are in no body. A message beyond the
// sink's limits is an *engine.UnfitError.
func Cut(ctx context.Context, names engine.References, source engine.Source, sink engine.Sink, limits engine.Limits) ([][]Batch, error) {
	lanes := make([][]Batch, source.Lanes())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		g.Go(func() (err error) {
			lanes[lane], err = cutLane(ctx, names, source, sink, limits, person.Lane(lane))
			return err
		})
	}
	return lanes, g.Wait()
}

func cutLane(ctx context.Context, names engine.References, source engine.Source, sink engine.Sink, limits engine.Limits, lane person.Lane) ([]Batch, error) {
	var (
		batches []Batch
		open    Batch // the batch that is being filled
		body    []byte
		sized   int // its bytes, suppressed people counted
		counted int // its messages, suppressed people counted
	)
	begin := func(from uint32) {
		open = Batch{Form: Form{From: from}, Lane: lane, Ordinal: uint32(len(batches))}
		body = sink.AppendHead(body[:0], names.Batch(lane, open.Ordinal, 0, 0), engine.RouteOf(source, lane))
		counted, sized = 0, len(sink.AppendTail(body))
	}
	end := func(to uint32) {
		body = sink.AppendTail(body)
		open.To, open.Bytes, open.Digest = to, uint32(len(body)), open.Digest.Of(body)
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
		message := sink.AppendMessage(append(body, separator...), names.Message(p.Row), &p)[len(body):]
		// The separator before it is counted for the first message too: a byte of slack.
		if counted > 0 && (counted == limits.Messages || sized+len(message) > limits.Bytes) {
			message = slices.Clone(message)
			end(p.Position)
			begin(p.Position)
		}
		if sized+len(message) > limits.Bytes && !p.Suppressed {
			reason := fmt.Sprintf("it makes a request of %d bytes and one may have %d", sized+len(message), limits.Bytes)
			return nil, &engine.UnfitError{Row: p.Row, Code: person.CodeTooLong, Reason: reason}
		}
		sized += len(message)
		counted++
		if p.Suppressed {
			continue
		}
		if l := engine.Unkept(asks, &p); l != nil {
			return nil, &engine.UnfitError{Row: p.Row, Code: l.Code, Reason: l.Words}
		}
		if open.Messages == 0 {
			message = message[len(separator):]
		}
		body = append(body, message...)
		open.Messages++
	}
	end(positions)
	return batches, nil
}
