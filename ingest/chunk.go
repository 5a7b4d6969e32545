package ingest

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// chunk is a stretch of a text file that holds whole records, and what became of them.
// Whoever has it from a channel owns it: first the chunker, then one worker, then the
// consumer.
type chunk struct {
	text  []byte
	line  int64 // of its first byte
	after error // what follows it: errNext, io.EOF, or why there is no more

	batches []*batch
	tally   tally
	order   order // as it stands behind the chunk
	err     error // nil when every record was read
	done    chan struct{}
}

var (
	// errNext stands behind a chunk that another follows.
	errNext = errors.New("ingest: the next chunk follows")

	// errTorn is a defect: a chunk that does not end where a record does, though nothing
	// before it was refused. A reader that went on could lose a record without a word.
	errTorn = errors.New("ingest: a part of the file does not end where a record does")
)

// parser reads the records of chunks, one chunk after another, on one goroutine.
type parser struct {
	sheet   sheet
	checker checker
	pool    *sync.Pool
}

// parse reads a chunk's records under an order.
func (p *parser) parse(c *chunk, under order) {
	c.tally.reset()
	c.batches, c.err = c.batches[:0], nil
	p.sheet.window = window{buf: c.text, end: len(c.text), done: c.after == io.EOF, err: c.after}
	p.sheet.line, p.sheet.skipped = c.line, 0
	// Nearly every chunk is faultless, which is cheaper to see at once than record by
	// record. A character never lies across the line feed that ends a chunk.
	valid, nul := textual(c.text)
	p.sheet.split.textual, p.sheet.split.sound = valid && !nul, !bytes.Contains(c.text, lostMark)
	p.checker.tally, p.checker.rules.order = &c.tally, under
	var err error
	for err == nil {
		b := p.pool.Get().(*batch)
		b.reset()
		if err = p.checker.fill(b, &p.sheet); b.rows > 0 {
			c.batches = append(c.batches, b)
		} else {
			p.pool.Put(b)
		}
	}
	c.tally.blank, c.order = p.sheet.skipped, p.checker.rules.order
	switch {
	case err == io.EOF:
	case err != errNext:
		c.err = err
	case p.sheet.window.start < p.sheet.window.end:
		c.err = errTorn
	}
}
