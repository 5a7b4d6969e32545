package ingest

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"cohort/ingest/format/csv"
	"cohort/ingest/value"
)

// maxWorkers limits the goroutines that parse one file. A few keep up with any decompressor
// and any consumer.
const maxWorkers = 8

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// parsed is a chunk of a file, with the outcome of its records. It has one owner at a time:
// first the chunker, then a worker, then the consumer.
type parsed struct {
	chunk   csv.Chunk
	batches []*batch
	tally   Summary
	order   value.Order // the kind of order behind the chunk
	err     error       // nil when every record was read
	done    chan struct{}
}

// parser reads the records of chunks, one chunk after another, on one goroutine.
type parser struct {
	sheet   *csv.Sheet
	checker checker
	pool    *sync.Pool
}

// parse reads a chunk's records. under is the kind of order before it.
func (p *parser) parse(c *parsed, under value.Order) {
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
	c.tally.BlankLines, c.order, c.err = p.sheet.Blanks(), p.checker.rules.order, p.sheet.End(err)
}

// workerPool reads one text file on several goroutines. One reads the bytes and cuts them into
// chunks, the workers parse the chunks, and the consumer takes them in the file's order. The
// number of chunks is fixed. They circulate: from free to the chunker, through work to a
// worker, through ordered to the consumer, and back.
type workerPool struct {
	free    chan *parsed
	work    chan *parsed // to whichever worker is idle
	ordered chan *parsed // to the consumer, in the file's order
	stop    chan struct{}
	running sync.WaitGroup
	order   atomic.Uint32 // as far as the consumer knows
	again   parser        // parses a chunk again: see settle
	ready   []*batch      // what is left of the consumer's chunk
	err     error         // comes behind them
}

// newWorkerPool begins to read the unread part of a sheet, and then owns the sheet.
func newWorkerPool(workers, size int, t *csv.Sheet, c checker, pool *sync.Pool) *workerPool {
	chunks := 2*workers + 1 // a worker has one, and one waits for it; the consumer has one
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
			p.parse(c, value.Order(w.order.Load()))
			c.done <- struct{}{}
		}
	}
}

// next returns the next batch in the file's order, io.EOF behind the last. It adds the counts
// of its chunk to total.
func (w *workerPool) next(total *Summary) (*batch, error) {
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

// settle makes sure that a chunk was parsed under the order of the chunks before it. A worker
// cannot wait for that, so it uses the order that is known. When none was known, and the chunk
// decided for another order than an earlier chunk did meanwhile, the chunk is parsed again.
// When it decided for the same order, or for none, its values would be read the same.
func (w *workerPool) settle(c *parsed) {
	known := value.Order(w.order.Load())
	if known != value.Unsettled && c.order != value.Unsettled && c.order != known {
		for _, b := range c.batches {
			w.again.pool.Put(b)
		}
		w.again.parse(c, known)
	}
	if known == value.Unsettled {
		w.order.Store(uint32(c.order))
	}
}

// close ends every goroutine and waits for them.
func (w *workerPool) close() {
	close(w.stop)
	w.running.Wait()
}
