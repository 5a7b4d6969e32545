package intake

import (
	"slices"

	"cohort/ingest/person"
)

// distinct counts different NHS numbers, in four to eight bytes of memory for each. The zero
// value has none.
type Distinct struct {
	heads []uint32 // the first nine digits of numbers, which the tenth follows from
}

func (d *Distinct) add(n person.NHSNumber) {
	if len(d.heads) == cap(d.heads) {
		d.heads = slices.Grow(d.heads[:d.count()], max(1024, len(d.heads)))
	}
	d.heads = append(d.heads, uint32(n.Uint64()/10))
}

// count says how many different numbers were added.
func (d *Distinct) count() int {
	slices.Sort(d.heads)
	d.heads = slices.Compact(d.heads)
	return len(d.heads)
}
