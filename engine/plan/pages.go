package plan

import (
	"io"
	"os"
	"sync"
)

const (
	pageBatches = 64  // batches in a page
	keptPages   = 256 // some 1 MB
)

// pages caches parts of plan.batches. Batches are read from each lane in turn, and in order within a lane. It is safe
// for concurrent use.
type pages struct {
	mu   sync.Mutex
	kept [keptPages]*planPage
}

type planPage struct {
	number uint32
	raw    [pageBatches * plannedSize]byte
}

// read fills in the batch b, which has its number. There are count batches.
func (p *pages) read(file *os.File, count int, b *Batch) error {
	if int64(b.Number) >= int64(count) {
		return io.EOF
	}
	number := b.Number / pageBatches
	// Lanes begin at equal distances, so a plain remainder would put all of them in one slot.
	slot := number * 0x9E3779B1 >> 24
	p.mu.Lock()
	defer p.mu.Unlock()
	page := p.kept[slot]
	if page == nil || page.number != number {
		if page == nil {
			page = new(planPage)
		}
		p.kept[slot] = nil // while it is read it is neither page
		first := number * pageBatches
		if _, err := file.ReadAt(page.raw[:min(pageBatches, count-int(first))*plannedSize], int64(first)*plannedSize); err != nil {
			return err
		}
		page.number = number
		p.kept[slot] = page
	}
	b.readFrom(page.raw[b.Number%pageBatches*plannedSize:])
	return nil
}
