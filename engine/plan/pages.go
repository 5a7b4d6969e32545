package plan

import "sync"

const (
	pageBatches = 64   // batches in a page
	keptPages   = 1024 // some 2 MB: with 256 lanes in turn, few share a slot
)

// pages caches parts of plan.batches. Batches are read from each lane in turn, and in order within a lane. It is safe
// for concurrent use.
type pages struct {
	mu   sync.Mutex
	kept [keptPages]*planPage
}

type planPage struct {
	number uint32
	raw    []byte
}

// read returns a batch of the plan.
func (c *pages) read(p *Plan, batch uint32) (Batch, error) {
	number := batch / pageBatches
	// Lanes begin at equal distances, so a plain remainder would put all of them in one slot.
	slot := number * 0x9E3779B1 >> 22
	c.mu.Lock()
	defer c.mu.Unlock()
	page := c.kept[slot]
	if page == nil || page.number != number {
		if page == nil {
			page = &planPage{raw: make([]byte, pageBatches*p.batchSize)}
		}
		c.kept[slot] = nil // while it is read it is neither page
		first := int(number) * pageBatches
		if _, err := p.file.ReadAt(page.raw[:min(pageBatches, p.BatchCount-first)*p.batchSize], int64(first)*int64(p.batchSize)); err != nil {
			return Batch{}, err
		}
		page.number = number
		c.kept[slot] = page
	}
	at := int(batch%pageBatches) * p.batchSize
	return p.batch(batch, p.laneOf(batch), page.raw[at:at+p.batchSize]), nil
}
