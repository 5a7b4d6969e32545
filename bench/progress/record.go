package progress

import (
	"fmt"
	"time"

	"cohort/engine"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// runID names the run of which all logs here are.
var runID = engine.NewRunID("bench", [32]byte{1}, "bench")

// records makes the records of one batch after another, as a run writes them. It reuses
// its memory and belongs to one goroutine.
type records struct {
	ids     []string // of the messages of a batch
	payload []byte
}

func newRecords(group int) *records {
	r := &records{}
	for i := range group {
		r.ids = append(r.ids, fmt.Sprintf("2wKxQ7hTzLr0aBcDe%010d", i)) // 27 letters, as the service's have
	}
	return r
}

// attempt is the intent to send a batch, made valid until the next call.
func (r *records) attempt(batch uint32) (t journal.Type, payload []byte) {
	t, r.payload = record.AttemptRecord(r.payload[:0], plan.FormID{Batch: batch}, 1, time.Now(), [16]byte{15: byte(batch)})
	return t, r.payload
}

// accepted is its outcome.
func (r *records) accepted(batch uint32) (t journal.Type, payload []byte) {
	t, r.payload = record.AcceptedRecord(r.payload[:0], plan.FormID{Batch: batch}, 1, time.Now(), r.ids)
	return t, r.payload
}
