package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"cohort/ingest/person"
)

// ErrChanged says that a batch does not come out as it was planned: the spool, the
// plan or the program is not the one that the run began with.
var ErrChanged = errors.New("a batch does not come out as it was planned")

// builder makes the bytes of requests. It is safe for concurrent use.
type builder struct {
	run    RunID
	source Source
	sink   Sink
}

// body is a form of a batch, encoded.
type body struct {
	reference Reference
	bytes     []byte
	messages  []Reference // of the messages, in the body's order
	positions []uint32    // of the messages, in the body's order
}

// encode renders the recipients of a range of a shard into one request. The buffers
// of b are used again.
func (bd *builder) encode(b *body, reference Reference, shard uint32, f *Form) error {
	b.reference = reference
	b.bytes = bd.sink.AppendHead(b.bytes[:0], reference, routeOf(bd.source, shard))
	b.messages, b.positions = b.messages[:0], b.positions[:0]
	separator := separatorOf(bd.sink)
	var p person.Recipient // one for all, since the sink is given its address
	for next, err := range bd.source.Recipients(int(shard), f.From, f.To) {
		if err != nil {
			return err
		}
		p = next
		if p.Suppressed {
			continue
		}
		if _, dropped := slices.BinarySearch(f.Dropped, p.Position); dropped {
			continue
		}
		if len(b.messages) > 0 {
			b.bytes = append(b.bytes, separator...)
		}
		message := bd.run.MessageReference(p.Row)
		b.bytes = bd.sink.AppendMessage(b.bytes, message, &p)
		b.messages = append(b.messages, message)
		b.positions = append(b.positions, p.Position)
	}
	b.bytes = bd.sink.AppendTail(b.bytes)
	return nil
}

// rebuild encodes a form that was encoded before and compares it with what was
// recorded then. A difference is ErrChanged.
func (bd *builder) rebuild(b *body, planned *PlannedBatch, id FormID, f *Form) error {
	if err := bd.encode(b, bd.reference(planned, id), planned.Shard, f); err != nil {
		return err
	}
	sum := sha256.Sum256(b.bytes)
	if len(b.messages) != int(f.Messages) || len(b.bytes) != int(f.Bytes) || !bytes.Equal(sum[:], f.SHA256[:]) {
		return fmt.Errorf("batch %s: %w", b.reference, ErrChanged)
	}
	return nil
}

func (bd *builder) reference(planned *PlannedBatch, id FormID) Reference {
	return bd.run.BatchReference(planned.Shard, planned.Ordinal, id.Revision, id.Part)
}

// seal encodes a new form for the first time and fills in what must hold from then on.
func (bd *builder) seal(b *body, planned *PlannedBatch, id FormID, f *Form) error {
	if err := bd.encode(b, bd.reference(planned, id), planned.Shard, f); err != nil {
		return err
	}
	f.Messages, f.Bytes, f.SHA256 = uint32(len(b.messages)), uint32(len(b.bytes)), sha256.Sum256(b.bytes)
	return nil
}

// without is f less some positions, which must be ascending.
func (f *Form) without(positions []uint32) Form {
	dropped := append(slices.Clone(f.Dropped), positions...)
	slices.Sort(dropped)
	return Form{From: f.From, To: f.To, Dropped: dropped}
}

// halves cuts f in two at position at.
func (f *Form) halves(at uint32) [2]Form {
	i, _ := slices.BinarySearch(f.Dropped, at)
	return [2]Form{
		{From: f.From, To: at, Dropped: slices.Clone(f.Dropped[:i])},
		{From: at, To: f.To, Dropped: slices.Clone(f.Dropped[i:])},
	}
}
