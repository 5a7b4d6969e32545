package plan

import (
	"errors"
	"fmt"
	"slices"

	"cohort/engine"
	"cohort/ingest/person"
)

// ErrChanged says that a batch does not come out as it was planned: the spool, the plan or the program has changed
// since the run began.
var ErrChanged = errors.New("a batch does not come out as it was planned")

// Builder makes the bytes of requests. It is safe for concurrent use.
type Builder struct {
	References engine.References
	Source     engine.Source
	Sink       engine.Sink
}

// Body is a form of a batch, encoded.
type Body struct {
	Reference engine.Reference
	Bytes     []byte
	Messages  []engine.Reference // of the messages, in the body's order
	Positions []uint32           // of the messages, in the body's order
}

// Encode renders the recipients of a form into one request. It uses the buffers of b again.
func (bd *Builder) Encode(b *Body, reference engine.Reference, lane person.Lane, f *Form) error {
	b.Reference = reference
	b.Bytes = bd.Sink.AppendHead(b.Bytes[:0], reference, engine.RouteOf(bd.Source, lane))
	b.Messages, b.Positions = b.Messages[:0], b.Positions[:0]
	separator := engine.SeparatorOf(bd.Sink)
	var p person.Recipient // one for all, since the sink gets its address
	for next, err := range bd.Source.Recipients(lane, f.From, f.To) {
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
		message := bd.References.Message(p.Row)
		b.Bytes = bd.Sink.AppendMessage(b.Bytes, message, &p)
		b.Messages = append(b.Messages, message)
		b.Positions = append(b.Positions, p.Position)
	}
	b.Bytes = bd.Sink.AppendTail(b.Bytes)
	return nil
}

// Rebuild encodes a form again and compares it with the form that was recorded. A difference is ErrChanged.
func (bd *Builder) Rebuild(b *Body, planned *Batch, id FormID, f *Form) error {
	if err := bd.Encode(b, bd.Reference(planned, id), planned.Lane, f); err != nil {
		return err
	}
	if len(b.Messages) != int(f.Messages) || !f.Fits(b.Bytes) {
		return fmt.Errorf("batch %s: %w", b.Reference, ErrChanged)
	}
	return nil
}

// Reference returns the reference of a form.
func (bd *Builder) Reference(planned *Batch, id FormID) engine.Reference {
	return bd.References.Batch(planned.Lane, planned.Ordinal, id.Revision, id.Part)
}

// seal encodes a new form and fills in its size and digest, of the same kind as the planned form's.
func (bd *Builder) seal(b *Body, planned *Batch, id FormID, f *Form) error {
	if err := bd.Encode(b, bd.Reference(planned, id), planned.Lane, f); err != nil {
		return err
	}
	f.Messages, f.Bytes, f.Digest = uint32(len(b.Messages)), uint32(len(b.Bytes)), planned.Digest.Of(b.Bytes)
	return nil
}

// NewForms seals the parts of a revision. First is the id of the first part.
func (bd *Builder) NewForms(scratch *Body, planned *Batch, first FormID, parts []Form) error {
	for i := range parts {
		id := FormID{first.Batch, first.Revision, first.Part + uint16(i)}
		if err := bd.seal(scratch, planned, id, &parts[i]); err != nil {
			return err
		}
	}
	return nil
}
