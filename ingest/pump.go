package ingest

import "io"

// pump reads ahead on a goroutine of its own, so that reading, hashing, decompressing
// and decoding run beside the parsing. At most pumpBlocks blocks are filled ahead.
type pump struct {
	full chan block
	free chan []byte
	stop chan struct{}
	now  block
	at   int // how much of it is taken
}

// block is a stretch of bytes, or the error behind the last.
type block struct {
	bytes []byte
	err   error
}

const (
	pumpBlocks = 4
	pumpBlock  = 256 << 10
)

func newPump(src io.Reader) *pump {
	p := &pump{full: make(chan block), free: make(chan []byte, pumpBlocks), stop: make(chan struct{})}
	for range pumpBlocks {
		p.free <- make([]byte, pumpBlock)
	}
	go p.run(src)
	return p
}

func (p *pump) run(src io.Reader) {
	defer close(p.full)
	for {
		var b block
		select {
		case b.bytes = <-p.free:
		case <-p.stop:
			return
		}
		buffer := b.bytes[:pumpBlock]
		n, idle := 0, 0
		for n < pumpBlock && b.err == nil {
			var k int
			k, b.err = src.Read(buffer[n:])
			n += k
			if idle++; k > 0 {
				idle = 0
			}
			if idle == 100 {
				b.err = io.ErrNoProgress
			}
		}
		b.bytes = buffer[:n]
		select {
		case p.full <- b:
		case <-p.stop:
			return
		}
		if b.err != nil {
			return
		}
	}
}

func (p *pump) Read(into []byte) (int, error) {
	for p.at == len(p.now.bytes) {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.bytes != nil {
			p.free <- p.now.bytes
		}
		p.now, p.at = <-p.full, 0
	}
	n := copy(into, p.now.bytes[p.at:])
	p.at += n
	return n, nil
}

// close ends the goroutine and waits for it.
func (p *pump) close() {
	close(p.stop)
	for range p.full {
	}
}
