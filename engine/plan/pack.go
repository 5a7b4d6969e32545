package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"cohort/engine"
	"cohort/ingest/person"
)

// Cut renders each message once and cuts each lane into batches. Boundaries depend on the cohort file and the frozen
// keys alone: suppressed people count, though they are in no body. A message beyond the sink's limits is an
// *engine.UnfitError. The batches wait for Seal in a file in dir, which vanishes with the process. The caller closes them.
func Cut(
	ctx context.Context, names engine.References, source engine.Source, sink engine.Sink, limits engine.Limits, dir string,
) (*Batches, error) {
	file, err := os.CreateTemp(dir, BatchesFile+".*")
	if err != nil {
		return nil, err
	}
	all, lanes := &Batches{file: file}, make([]cutter, source.Lanes())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range lanes {
		lanes[i] = cutter{names: names, source: source, sink: sink, limits: limits, lane: person.Lane(i), out: all}
		g.Go(func() error { return lanes[i].cut(ctx) })
	}
	if err := errors.Join(g.Wait(), os.Remove(file.Name())); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	for i := range lanes {
		all.add(&lanes[i])
	}
	return all, nil
}

// Batches are batches that are not sealed yet. They are in a file, since there may be as many as people.
type Batches struct {
	Extent
	file   *os.File
	mu     sync.Mutex // while lanes are cut
	size   int64
	pieces []piece // in the order of the plan
}

// piece is a range of the file with batches of one lane.
type piece struct{ at, size int64 }

func (b *Batches) add(lane *cutter) {
	b.LaneStarts = append(b.LaneStarts, b.BatchCount)
	b.BatchCount += int(lane.ordinal)
	b.Messages += lane.messages
	b.Largest, b.LargestBody = max(b.Largest, lane.largest), max(b.LargestBody, lane.largestBody)
	b.pieces = append(b.pieces, lane.pieces...)
}

// Close gives the file up.
func (b *Batches) Close() error { return b.file.Close() }

// Each yields the batches in the order of the plan.
func (b *Batches) Each() iter.Seq2[Batch, error] { return b.each(b.read(), batchSize) }

// read returns the contents of BatchesFile.
func (b *Batches) read() io.Reader {
	all := make([]io.Reader, len(b.pieces))
	for i, p := range b.pieces {
		all[i] = io.NewSectionReader(b.file, p.at, p.size)
	}
	return io.MultiReader(all...)
}

// write appends batches of a lane to the file. Lanes are cut at the same time.
func (b *Batches) write(raw []byte) (piece, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := piece{b.size, int64(len(raw))}
	b.size += p.size
	_, err := b.file.WriteAt(raw, p.at)
	return p, err
}

// cutter cuts a lane into batches.
type cutter struct {
	names  engine.References
	source engine.Source
	sink   engine.Sink
	limits engine.Limits
	lane   person.Lane
	out    *Batches

	ordinal              uint32 // of the open batch
	open                 Form
	body                 []byte
	sized                int    // its bytes, suppressed people counted
	counted              int    // its messages, suppressed people counted
	raw                  []byte // batches that are not in the file yet
	pieces               []piece
	messages             int64
	largest, largestBody int
}

// mostRaw is the number of bytes of batches that a lane keeps in memory.
const mostRaw = 64 << 10

func (c *cutter) begin(from uint32) {
	c.open = Form{From: from}
	c.body = c.sink.AppendHead(c.body[:0], c.names.Batch(c.lane, c.ordinal, 0, 0), engine.RouteOf(c.source, c.lane))
	c.counted, c.sized = 0, len(c.sink.AppendTail(c.body))
}

func (c *cutter) end(to uint32) (err error) {
	c.body = c.sink.AppendTail(c.body)
	f := &c.open
	f.To, f.Bytes, f.Digest = to, uint32(len(c.body)), f.Digest.Of(c.body)
	c.raw = f.appendTo(c.raw)
	c.ordinal++
	c.messages += int64(f.Messages)
	c.largest, c.largestBody = max(c.largest, int(f.Messages)), max(c.largestBody, int(f.Bytes))
	if len(c.raw) >= mostRaw {
		err = c.flush()
	}
	return err
}

func (c *cutter) flush() error {
	p, err := c.out.write(c.raw)
	c.pieces, c.raw = append(c.pieces, p), c.raw[:0]
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
		message := c.sink.AppendMessage(append(c.body, separator...), c.names.Message(p.Row), &p)[len(c.body):]
		// The separator before it is counted for the first message too: a byte of slack.
		if c.counted > 0 && (c.counted == c.limits.Messages || c.sized+len(message) > c.limits.Bytes) {
			message = slices.Clone(message)
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
	return errors.Join(c.end(positions), c.flush())
}
