package plan

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"cohort/engine"
	"cohort/ingest/person"
)

// ErrChanged says that a batch does not come out as it was planned: the spool, the
// plan or the program is not the one that the run began with.
var ErrChanged = errors.New("a batch does not come out as it was planned")

// builder makes the bytes of requests. It is safe for concurrent use.
type Builder struct {
	Run    engine.RunID
	Source engine.Source
	Sink   engine.Sink
}

// body is a form of a batch, encoded.
type Body struct {
	Reference engine.Reference
	Bytes     []byte
	Messages  []engine.Reference // of the messages, in the body's order
	Positions []uint32           // of the messages, in the body's order
}

// encode renders the recipients of a range of a shard into one request. The buffers
// of b are used again.
func (bd *Builder) Encode(b *Body, reference engine.Reference, shard uint32, f *Form) error {
	b.Reference = reference
	b.Bytes = bd.Sink.AppendHead(b.Bytes[:0], reference, engine.RouteOf(bd.Source, shard))
	b.Messages, b.Positions = b.Messages[:0], b.Positions[:0]
	separator := engine.SeparatorOf(bd.Sink)
	var p person.Recipient // one for all, since the sink is given its address
	for next, err := range bd.Source.Recipients(int(shard), f.From, f.To) {
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
		if len(b.Messages) > 0 {
			b.Bytes = append(b.Bytes, separator...)
		}
		message := bd.Run.MessageReference(p.Row)
		b.Bytes = bd.Sink.AppendMessage(b.Bytes, message, &p)
		b.Messages = append(b.Messages, message)
		b.Positions = append(b.Positions, p.Position)
	}
	b.Bytes = bd.Sink.AppendTail(b.Bytes)
	return nil
}

// rebuild encodes a form that was encoded before and compares it with what was
// recorded then. A difference is ErrChanged.
func (bd *Builder) Rebuild(b *Body, planned *Batch, id FormID, f *Form) error {
	if err := bd.Encode(b, bd.Reference(planned, id), planned.Shard, f); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Bytes)
	if len(b.Messages) != int(f.Messages) || len(b.Bytes) != int(f.Bytes) || !bytes.Equal(sum[:], f.SHA256[:]) {
		return fmt.Errorf("batch %s: %w", b.Reference, ErrChanged)
	}
	return nil
}

func (bd *Builder) Reference(planned *Batch, id FormID) engine.Reference {
	return bd.Run.BatchReference(planned.Shard, planned.Ordinal, id.Revision, id.Part)
}

// seal encodes a new form for the first time and fills in what must hold from then on.
func (bd *Builder) seal(b *Body, planned *Batch, id FormID, f *Form) error {
	if err := bd.Encode(b, bd.Reference(planned, id), planned.Shard, f); err != nil {
		return err
	}
	f.Messages, f.Bytes, f.SHA256 = uint32(len(b.Messages)), uint32(len(b.Bytes)), sha256.Sum256(b.Bytes)
	return nil
}

// newForms seals the parts of a revision. first is the id of the first of them.
func (bd *Builder) NewForms(scratch *Body, planned *Batch, first FormID, parts []Form) error {
	for i := range parts {
		id := FormID{first.Batch, first.Revision, first.Part + uint16(i)}
		if err := bd.seal(scratch, planned, id, &parts[i]); err != nil {
			return err
		}
	}
	return nil
}
