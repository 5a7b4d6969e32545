package facts

import "cohort/engine/delivery"

// Heard has the rows of messages that a service spoke of. It takes a bit for each record of the plan.
type Heard struct {
	bits []uint64
	Any  bool // there is such a message
}

// Heard reads all events of the run.
func (f *Facts) Heard() (*Heard, error) {
	h := &Heard{bits: make([]uint64, f.most/64+1)}
	return h, f.Each(func(row int64, _ *delivery.Event) error {
		h.Add(row)
		return nil
	})
}

// Add adds a row of the plan.
func (h *Heard) Add(row int64) {
	h.bits[row/64] |= 1 << (row % 64)
	h.Any = true
}

// Of reports whether a service spoke of the message of a row.
func (h *Heard) Of(row int64) bool { return h.bits[row/64]&(1<<(row%64)) != 0 }
