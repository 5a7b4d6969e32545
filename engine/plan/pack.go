package plan

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"cohort/engine"
	"cohort/ingest/person"
)

// Batches are batches that are not sealed yet. They are in a file, since there may be as many as people.
type Batches struct {
	Extent
	file *os.File
	at   []int64 // where each lane begins; behind a lane is room for a batch at each of its positions, and a hole
}

// Close gives the file up.
func (b *Batches) Close() error { return b.file.Close() }

// Each yields the batches in the order of the plan.
func (b *Batches) Each() iter.Seq2[Batch, error] { return b.each(b.read(), batchSize) }

// read returns the contents of BatchesFile.
func (b *Batches) read() io.Reader {
	all := make([]io.Reader, len(b.at))
	for lane, at := range b.at {
		from, to := b.LaneBatches(person.Lane(lane))
		all[lane] = io.NewSectionReader(b.file, at, int64(to-from)*batchSize)
	}
	return io.MultiReader(all...)
}

// Cut renders each message once and cuts each lane into batches. Boundaries depend on the cohort file and the frozen
// keys alone: suppressed people count, though they are in no body. A message beyond the sink's limits is an
// *engine.UnfitError. The batches wait for Seal in a file in dir, which vanishes with the process. The caller closes them.
func Cut(
	ctx context.Context, names engine.References, source engine.Source, sink engine.Sink, limits engine.Limits, dir string,
) (*Batches, error) {
	file, err := os.CreateTemp(dir, BatchesFile+".*")
	if err == nil {
		err = os.Remove(file.Name()) // it stays until it is closed
	}
	if err != nil {
		return nil, err
	}
	b, lanes, end := &Batches{file: file}, make([]Extent, source.Lanes()), int64(0)
	for lane := range lanes {
		b.at = append(b.at, end)
		end += int64(source.Positions(person.Lane(lane))) * batchSize
	}
	g, ctx := errgroup.WithContext(ctx)
	next := atomic.Int64{}
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			c := cutter{names: names, source: source, sink: sink, limits: limits}
			for lane := next.Add(1) - 1; lane < int64(len(lanes)); lane = next.Add(1) - 1 {
				c.lane, c.done, c.out = person.Lane(lane), &lanes[lane], bufio.NewWriter(io.NewOffsetWriter(file, b.at[lane]))
				if err := c.cut(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	for _, lane := range lanes {
		b.LaneStarts = append(b.LaneStarts, b.BatchCount)
		b.add(lane)
	}
	return b, nil
}

// cutter cuts one lane after another.
type cutter struct {
	names  engine.References
	source engine.Source
	sink   engine.Sink
	limits engine.Limits

	lane    person.Lane
	done    *Extent // of the lane
	out     *bufio.Writer
	open    Form
	body    []byte // of the open batch
	sized   int    // its bytes, suppressed people counted
	counted int    // its messages, suppressed people counted
	moved   []byte // the first message of the next batch
}

func (c *cutter) begin(from uint32) {
	c.open = Form{From: from}
	c.body = c.sink.AppendHead(c.body[:0], c.names.Batch(c.lane, uint32(c.done.BatchCount), 0, 0), engine.RouteOf(c.source, c.lane))
	c.counted, c.sized = 0, len(c.sink.AppendTail(c.body))
}

func (c *cutter) end(to uint32) error {
	c.body = c.sink.AppendTail(c.body)
	f := &c.open
	f.To, f.Bytes, f.Digest = to, uint32(len(c.body)), f.Digest.Of(c.body)
	c.done.add(Extent{BatchCount: 1, Messages: int64(f.Messages), Largest: int(f.Messages), LargestBody: int(f.Bytes)})
	_, err := c.out.Write(f.appendTo(c.out.AvailableBuffer()))
	return err
}

func (c *cutter) cut(ctx context.Context) error {
	positions := c.source.Positions(c.lane)
	if positions == 0 {
		return nil
	}
	c.begin(0)
	separator, asks := engine.SeparatorOf(c.sink), engine.AsksOf(c.sink)
	var p person.Recipient // one for all, since the sink gets its address
	for next, err := range c.source.Recipients(c.lane, 0, positions) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		p = next
		body := c.sink.AppendMessage(append(c.body, separator...), c.names.Message(p.Row), &p)
		message := body[len(c.body):]
		c.body = body[:len(c.body)]
		// The separator before it is counted for the first message too: a byte of slack.
		if c.counted > 0 && (c.counted == c.limits.Messages || c.sized+len(message) > c.limits.Bytes) {
			c.moved = append(c.moved[:0], message...)
			message = c.moved
			if err := c.end(p.Position); err != nil {
				return err
			}
			c.begin(p.Position)
		}
		if c.sized+len(message) > c.limits.Bytes && !p.Suppressed {
			reason := fmt.Sprintf("it makes a request of %d bytes and one may have %d", c.sized+len(message), c.limits.Bytes)
			return &engine.UnfitError{Row: p.Row, Code: person.CodeTooLong, Reason: reason}
		}
		c.sized += len(message)
		c.counted++
		if p.Suppressed {
			continue
		}
		if l := engine.Unkept(asks, &p); l != nil {
			return &engine.UnfitError{Row: p.Row, Code: l.Code, Reason: l.Words}
		}
		if c.open.Messages == 0 {
			message = message[len(separator):]
		}
		c.body = append(c.body, message...)
		c.open.Messages++
	}
	return errors.Join(c.end(positions), c.out.Flush())
}
