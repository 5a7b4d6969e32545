package plan

import (
	"crypto/sha256"
	"math"
	"slices"

	"github.com/zeebo/xxh3"

	"cohort/engine"
)

// FormID names one form of a batch. Revision 0, part 0 is the planned form. A revision replaces a form by a form that
// lacks some rows, or by several parts.
type FormID struct {
	Batch    uint32 // in the plan, over all lanes
	Revision uint16
	Part     uint16
}

// Form is the contents of a form of a batch: the positions of a lane from From up to To, without duplicates,
// suppressed people, and the positions in Dropped.
type Form struct {
	From, To uint32
	Dropped  []uint32 // in ascending order
	Messages uint32
	Bytes    uint32 // of the encoded body
	Digest   Digest // of the encoded body
}

// Digest is the XXH3-128 of a body, and sixteen zeros. It shows that a body does not come out again as it was: what a
// body is made of is sealed by SHA-256. In plans of version 1 and 2 a digest is the SHA-256 of the body.
type Digest [32]byte

// Of returns the digest of a body, of the same kind as d.
func (d Digest) Of(body []byte) (of Digest) {
	if [16]byte(d[16:]) != [16]byte{} {
		return sha256.Sum256(body)
	}
	sum := xxh3.Hash128(body).Bytes()
	copy(of[:], sum[:])
	return of
}

// Fits reports whether the form is of an encoded body.
func (f *Form) Fits(body []byte) bool {
	return len(body) == int(f.Bytes) && f.Digest == f.Digest.Of(body)
}

// AcceptedForm is a form that the service has accepted.
type AcceptedForm struct {
	Form
	ID        FormID
	Planned   Batch
	Reference engine.Reference
}

// Holds reports whether a form has a position, and the first position behind it where the answer may change.
func (f *Form) Holds(position uint32) (bool, uint32) {
	switch {
	case position < f.From:
		return false, f.From
	case position >= f.To:
		return false, math.MaxUint32
	}
	i, dropped := slices.BinarySearch(f.Dropped, position)
	if dropped {
		return false, position + 1
	}
	if i < len(f.Dropped) {
		return true, min(f.To, f.Dropped[i])
	}
	return true, f.To
}

// Without returns the form without some more positions.
func (f *Form) Without(positions []uint32) Form {
	dropped := append(slices.Clone(f.Dropped), positions...)
	slices.Sort(dropped)
	return Form{From: f.From, To: f.To, Dropped: dropped}
}

// Halves cuts the form in two at a position.
func (f *Form) Halves(at uint32) [2]Form {
	i, _ := slices.BinarySearch(f.Dropped, at)
	return [2]Form{
		{From: f.From, To: at, Dropped: slices.Clone(f.Dropped[:i])},
		{From: at, To: f.To, Dropped: slices.Clone(f.Dropped[i:])},
	}
}
