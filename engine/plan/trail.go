package plan

import (
	"math"
	"slices"
)

// holds reports whether a position is in a form, and up to which the answer is the same.
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
