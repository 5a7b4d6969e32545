package ingest

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"cohort/ingest/format/csv"
)

// maxWorkers is how many parse one file at once, at most. A few keep up with any
// decompressor and any consumer.
const maxWorkers = 8

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// parsed is a chunk of a file and what became of its records. Whoever has it from a channel
// owns it: first the chunker, then one worker, then the consumer.
type parsed struct {
	chunk   csv.Chunk
	batches []*batch
	tally   tally
	order   order // as it stands behind the chunk
	err     error // nil when every record was read
	done    chan struct{}
}

// parser reads the records of chunks, one chunk after another, on one goroutine.
type parser struct {
	sheet   *csv.Sheet
	checker checker
	pool    *sync.Pool
}

// parse reads a chunk's records under an order.
func (p *parser) parse(c *parsed, under order) {
	c.tally.reset()
	c.batches = c.batches[:0]
	p.sheet.Load(&c.chunk)
	p.checker.tally, p.checker.rules.order = &c.tally, under
	var err error
	for err == nil {
		b := p.pool.Get().(*batch)
		b.reset()
		if err = p.checker.fill(b, p.sheet); b.rows > 0 {
			c.batches = append(c.batches, b)
		} else {
			p.pool.Put(b)
		}
	}
	c.tally.blank, c.order, c.err = p.sheet.Blanks(), p.checker.rules.order, p.sheet.End(err)
}

// crew reads one text file on several goroutines: one takes the bytes in and cuts them
// into chunks, the workers parse chunks, and the consumer takes these in the file's
// order. There are so many chunks and no more: they go round from free to the chunker,
// through work to a worker and through order to the consumer, and back.
type workerPool struct {
	free    chan *parsed
	work    chan *parsed // to whichever worker is idle
	ordered chan *parsed // to the consumer, in the file's order
	stop    chan struct{}
	running sync.WaitGroup
	order   atomic.Uint32 // as far as the consumer knows
	again   parser        // the consumer's own
	ready   []*batch      // of the chunk under the consumer's hand
	err     error         // what follows them
}

// newCrew begins to read what a sheet has not consumed yet. The sheet is the crew's
// from then on.
func newWorkerPool(workers, size int, t *csv.Sheet, c checker, pool *sync.Pool) *workerPool {
	chunks := 2*workers + 1 // each worker has one and one waiting, and the consumer has one
	w := &workerPool{free: make(chan *parsed, chunks), work: make(chan *parsed, chunks), ordered: make(chan *parsed, chunks), stop: make(chan struct{})}
	for range chunks {
		w.free <- &parsed{tally: c.tally.another(), done: make(chan struct{}, 1)}
	}
	w.order.Store(uint32(c.rules.order))
	w.again = newParser(t, c, pool)
	cuts := t.Chunks(size)
	w.running.Go(func() { w.cut(cuts) })
	for range workers {
		p := newParser(t, c, pool)
		w.running.Go(func() { w.parse(&p) })
	}
	return w
}

func newParser(t *csv.Sheet, c checker, pool *sync.Pool) parser {
	c.words, c.shown, c.text, c.field = nil, nil, nil, nil
	return parser{sheet: t.Parser(), checker: c, pool: pool}
}

func (w *workerPool) cut(cuts *csv.Chunker) {
	defer close(w.work)
	defer close(w.ordered)
	for !cuts.Ended {
		select {
		case <-w.stop:
			return
		case c := <-w.free:
			cuts.Cut(&c.chunk)
			w.work <- c // there is room for all of them
			w.ordered <- c
		}
	}
}

func (w *workerPool) parse(p *parser) {
	for c := range w.work {
		select {
		case <-w.stop:
			return
		default:
			p.parse(c, order(w.order.Load()))
			c.done <- struct{}{}
		}
	}
}

// next returns the next batch in the file's order; io.EOF says that there is none. It
// adds the account of what it takes to total.
func (w *workerPool) next(total *tally) (*batch, error) {
	for len(w.ready) == 0 {
		if w.err != nil {
			return nil, w.err
		}
		c, more := <-w.ordered
		if !more {
			return nil, io.EOF
		}
		<-c.done
		w.settle(c)
		total.add(&c.tally)
		w.ready, w.err = append(w.ready[:0], c.batches...), c.err
		w.free <- c
	}
	b := w.ready[0]
	w.ready = w.ready[1:]
	return b, nil
}

// settle makes sure that a chunk was parsed under the order of the chunks before it. A
// worker cannot wait for that: it takes the order as far as it is known. When none is,
// and the chunk's own first value settles it otherwise than an earlier chunk has in the
// meantime, the chunk is parsed again. When it settles it likewise, or nothing, no
// value of the chunk would be read differently.
func (w *workerPool) settle(c *parsed) {
	known := order(w.order.Load())
	if known != unsettled && c.order != unsettled && c.order != known {
		for _, b := range c.batches {
			w.again.pool.Put(b)
		}
		w.again.parse(c, known)
	}
	if known == unsettled {
		w.order.Store(uint32(c.order))
	}
}

// close ends every goroutine and waits for them.
func (w *workerPool) close() {
	close(w.stop)
	w.running.Wait()
}
