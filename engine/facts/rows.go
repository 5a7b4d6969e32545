package facts

import (
	"github.com/zeebo/xxh3"

	"cohort/engine"
)

// Rows finds the row of a run's message by the message's reference. Under plan versions 1 and 2 a
// reference is a hash of run and row, and needs a table. The table holds rows only, and makes a
// reference again to compare it. That takes four bytes a place, and fewer than four places a record.
type Rows struct {
	references engine.References
	records    int64
	slots      []uint32 // rows; 0: empty
}

// NewRows returns what finds the messages of a run.
func NewRows(references engine.References, records int64) *Rows {
	t := &Rows{references: references, records: records}
	if references.Invertible() {
		return t
	}
	size := 8
	for int64(size) < 2*records {
		size *= 2
	}
	t.slots = make([]uint32, size)
	for row := int64(1); row <= records; row++ {
		reference := references.Message(row)
		i := t.place(reference.String())
		for t.slots[i] != 0 {
			i = (i + 1) % len(t.slots)
		}
		t.slots[i] = uint32(row)
	}
	return t
}

func (t *Rows) place(reference string) int {
	return int(xxh3.HashString(reference) % uint64(len(t.slots)))
}

// Of returns the row of the message that has a reference; false: the run has no such message.
func (t *Rows) Of(reference string) (int64, bool) {
	if t.references.Invertible() {
		row, ok := t.references.Row(reference)
		return row, ok && 0 < row && row <= t.records
	}
	if len(reference) != len(engine.Reference{}) {
		return 0, false
	}
	for i := t.place(reference); t.slots[i] != 0; i = (i + 1) % len(t.slots) {
		if row := int64(t.slots[i]); t.references.Message(row).String() == reference {
			return row, true
		}
	}
	return 0, false
}
