package facts

import (
	"cmp"
	"context"
	"sync"

	"cohort/engine"
	"cohort/engine/delivery"
	"cohort/engine/plan"
)

// Heard knows which messages of a run a service spoke of, and the ids of those that it was asked for. It takes a bit
// for each record of the plan. Named and Collect are safe for concurrent use, and nothing else runs beside them.
type Heard struct {
	*Facts
	mu    sync.Mutex
	bits  []uint64
	any   bool
	asked map[int64]*string // by row; nil: no service spoke of it
}

// Heard reads all events of the run.
func (f *Facts) Heard() (*Heard, error) {
	h := &Heard{Facts: f, bits: make([]uint64, f.most/64+1), asked: map[int64]*string{}}
	return h, h.read()
}

func (h *Heard) read() error {
	return h.Each(func(row int64, e *delivery.Event) error {
		h.take(row, e)
		return nil
	})
}

func (h *Heard) take(row int64, e *delivery.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bits[row/64] |= 1 << (row % 64)
	h.any = true
	if id, asked := h.asked[row]; asked {
		if id == nil {
			id = new(string)
			h.asked[row] = id
		}
		*id = cmp.Or(*id, e.MessageID)
	}
}

// Any reports whether a service spoke of any message.
func (h *Heard) Any() bool { return h.any }

// Of reports whether a service spoke of the message of a row.
func (h *Heard) Of(row int64) bool { return h.bits[row/64]&(1<<(row%64)) != 0 }

// Collect takes in what is new in the shared inbox. The facts come from Hold.
func (h *Heard) Collect(ctx context.Context) error { return h.Facts.Collect(ctx, h.take) }

// Names returns the service's ids of those messages in doubt that it spoke of. From then on, Named knows them all.
func (h *Heard) Names(forms map[engine.Reference]plan.FormID) (map[plan.FormID]string, error) {
	found := map[plan.FormID]string{}
	if len(forms) == 0 {
		return found, nil
	}
	for message := range forms {
		row, _ := h.Row(message.String())
		h.asked[row] = nil
	}
	err := h.read()
	for message, form := range forms {
		row, _ := h.Row(message.String())
		if id := h.asked[row]; id != nil {
			found[form] = *id
		}
	}
	return found, err
}

// Named collects, and then reports whether a service spoke of a message that Names was asked about, and its id.
func (h *Heard) Named(ctx context.Context, message engine.Reference) (id string, named bool, err error) {
	if err := h.Collect(ctx); err != nil {
		return "", false, err
	}
	row, _ := h.Row(message.String())
	h.mu.Lock()
	defer h.mu.Unlock()
	if id := h.asked[row]; id != nil {
		return *id, true, nil
	}
	return "", false, nil
}
