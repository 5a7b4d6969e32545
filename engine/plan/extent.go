package plan

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"

	"cohort/ingest/person"
)

// Batch is one batch of a plan.
type Batch struct {
	Form
	Number  uint32 // over all lanes
	Lane    person.Lane
	Ordinal uint32 // within its lane
}

// Extent is the part of plan.json that describes the batches.
type Extent struct {
	Messages      int64  `json:"messages"`
	BatchCount    int    `json:"batches"`
	BatchesSHA256 string `json:"batches_sha256"`
	Largest       int    `json:"largest_batch"` // in messages
	LargestBody   int    `json:"largest_body"`  // in bytes
	LaneStarts    []int  `json:"shard_starts"`  // the first batch of each lane
}

// add counts more batches.
func (e *Extent) add(next Extent) {
	e.BatchCount, e.Messages = e.BatchCount+next.BatchCount, e.Messages+next.Messages
	e.Largest, e.LargestBody = max(e.Largest, next.Largest), max(e.LargestBody, next.LargestBody)
}

// A batch in plan.batches is four 32-bit integers (from, to, messages, bytes), little endian, and the first half of the
// digest of the body. Plan versions 1 and 2 have two integers before them (lane, ordinal), and a whole digest.
const (
	batchSize      = 4*4 + 16
	olderBatchSize = 2*4 + 4*4 + 32
)

func (f *Form) appendTo(dst []byte) []byte {
	for _, v := range []uint32{f.From, f.To, f.Messages, f.Bytes} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	return append(dst, f.Digest[:16]...)
}

// batch decodes the batch with a number, of a lane.
func (e *Extent) batch(number uint32, lane person.Lane, raw []byte) Batch {
	b := Batch{Number: number, Lane: lane, Ordinal: number - uint32(e.LaneStarts[lane])}
	if len(raw) == olderBatchSize {
		raw = raw[2*4:]
	}
	for i, v := range []*uint32{&b.From, &b.To, &b.Messages, &b.Bytes} {
		*v = binary.LittleEndian.Uint32(raw[4*i:])
	}
	copy(b.Digest[:], raw[4*4:])
	return b
}

// each decodes batches of some size.
func (e *Extent) each(in io.Reader, size int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		in, raw := bufio.NewReaderSize(in, 1<<16), make([]byte, size)
		lane := 0
		for i := range e.BatchCount {
			for lane+1 < len(e.LaneStarts) && e.LaneStarts[lane+1] <= i {
				lane++
			}
			_, err := io.ReadFull(in, raw)
			if err != nil {
				err = fmt.Errorf("plan: batch %d: %w", i, err)
			}
			if !yield(e.batch(uint32(i), person.Lane(lane), raw), err) || err != nil {
				return
			}
		}
	}
}

// isSound reports whether the lanes can hold the batches.
func (e *Extent) isSound() bool {
	n := len(e.LaneStarts)
	return e.BatchCount == 0 || n > 0 && e.LaneStarts[0] == 0 && e.LaneStarts[n-1] <= e.BatchCount && slices.IsSorted(e.LaneStarts)
}

// laneOf returns the lane of a batch. Several lanes may start at one batch; the last of them has it.
func (e *Extent) laneOf(batch uint32) person.Lane {
	return person.Lane(sort.SearchInts(e.LaneStarts, int(batch)+1) - 1)
}

// LaneBatches returns the range of batches of a lane: from up to and not including to.
func (e *Extent) LaneBatches(lane person.Lane) (from, to uint32) {
	end := e.BatchCount
	if int(lane)+1 < len(e.LaneStarts) {
		end = e.LaneStarts[lane+1]
	}
	return uint32(e.LaneStarts[lane]), uint32(end)
}
