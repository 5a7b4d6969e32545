package file

import (
	"io"

	"cohort/ingest/format"
)

// aheadReader reads ahead on a goroutine of its own, so that reading, hashing, decompressing
// and decoding run beside the parsing. At most aheadBlocks blocks are filled ahead.
type aheadReader struct {
	full chan block
	free chan []byte
	stop chan struct{}
	now  block
	at   int // bytes of it that were taken
}

// block is some bytes of the source, and the error behind them.
type block struct {
	bytes []byte
	err   error
}

const (
	aheadBlocks = 4
	aheadBlock  = 256 << 10
)

func newAheadReader(src io.Reader) *aheadReader {
	p := &aheadReader{full: make(chan block), free: make(chan []byte, aheadBlocks), stop: make(chan struct{})}
	for range aheadBlocks {
		p.free <- make([]byte, aheadBlock)
	}
	go p.run(src)
	return p
}

func (p *aheadReader) run(src io.Reader) {
	defer close(p.full)
	for {
		var b block
		select {
		case b.bytes = <-p.free:
		case <-p.stop:
			return
		}
		buffer := b.bytes[:aheadBlock]
		var n int
		n, b.err = format.Fill(src, buffer)
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

func (p *aheadReader) Read(into []byte) (int, error) {
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
func (p *aheadReader) close() {
	close(p.stop)
	for range p.full {
	}
}
