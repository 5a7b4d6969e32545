package delivery

import (
	"github.com/zeebo/xxh3"

	"cohort/engine"
)

// rowTable finds the row of a message of a run by its reference. A reference hashes run and
// row, so the table holds rows alone and compares references by making them again: four bytes
// a place, and less than four places a record.
type rowTable struct {
	run   engine.RunID
	slots []uint32 // rows; 0: nothing
}

func NewRowTable(run engine.RunID, records int64) *rowTable {
	size := 8
	for int64(size) < 2*records {
		size *= 2
	}
	t := &rowTable{run: run, slots: make([]uint32, size)}
	for row := int64(1); row <= records; row++ {
		reference := t.run.MessageReference(row)
		i := t.place(reference.String())
		for t.slots[i] != 0 {
			i = (i + 1) % len(t.slots)
		}
		t.slots[i] = uint32(row)
	}
	return t
}

func (t *rowTable) place(reference string) int {
	return int(xxh3.HashString(reference) % uint64(len(t.slots)))
}

// row is the row whose message has a reference; false when there is none in this run.
func (t *rowTable) Row(reference string) (int64, bool) {
	if len(reference) != len(engine.Reference{}) {
		return 0, false
	}
	for i := t.place(reference); t.slots[i] != 0; i = (i + 1) % len(t.slots) {
		if row := int64(t.slots[i]); t.run.MessageReference(row).String() == reference {
			return row, true
		}
	}
	return 0, false
}
