package main

import (
	"context"
	"sync"
	"time"
)

// groups makes group after group durable: the intents, then the outcomes.
func (t task) groups(ctx context.Context, s store) (n int64, err error) {
	var records []record
	for end := time.Now().Add(t.span); time.Now().Before(end); n += int64(t.group) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		records = t.attempted(records[:0], n, t.group)
		if err := s.put(records); err != nil {
			return n, err
		}
		records = t.outcomes(records[:0], n, t.group)
		if err := s.put(records); err != nil {
			return n, err
		}
	}
	return n, nil
}

// fill writes so many messages, in large groups.
func (t task) fill(ctx context.Context, s store) (n int64, err error) {
	var records []record
	for n < t.number {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		some := int(min(t.number-n, 10_000))
		records = t.outcomes(t.attempted(records[:0], n, some), n, some)
		if err := s.put(records); err != nil {
			return n, err
		}
		n += int64(some)
	}
	return n, nil
}

// pending is what many goroutines want to be durable. One committer writes all that has
// come since it looked last, and tells everybody at once.
type pending struct {
	mu      sync.Mutex
	records []record
	done    chan struct{} // closed when records are durable, or have failed
	err     error         // the first
	wake    chan struct{}
	ended   bool
}

// add adds a record and returns what is closed when it is durable.
func (p *pending) add(r record) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records = append(p.records, r)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return p.done
}

// commit writes until it is ended and nothing is left.
func (p *pending) commit(s store) {
	var spare []record
	for range p.wake {
		p.mu.Lock()
		records, done, last := p.records, p.done, p.ended
		p.records, p.done = spare[:0], make(chan struct{})
		failed := p.err
		p.mu.Unlock()
		if failed == nil && len(records) > 0 {
			if err := s.put(records); err != nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
			}
		}
		close(done)
		spare = records
		if last {
			return
		}
	}
}

func (p *pending) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// wait has many goroutines send one message each, again and again: each waits for its
// intent, and leaves its outcome to become durable with what comes next.
func (t task) wait(ctx context.Context, s store) (int64, error) {
	p := &pending{done: make(chan struct{}), wake: make(chan struct{}, 1)}
	var (
		mu   sync.Mutex
		next int64
		pool sync.WaitGroup
	)
	end := time.Now().Add(t.span)
	for range t.waiting {
		pool.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil && p.failed() == nil {
				mu.Lock()
				number := next
				next++
				mu.Unlock()
				<-p.add(t.attempted(nil, number, 1)[0])
				p.add(t.outcomes(nil, number, 1)[0])
			}
		})
	}
	committed := make(chan struct{})
	go func() { defer close(committed); p.commit(s) }()
	pool.Wait()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	<-committed
	if err := p.failed(); err != nil {
		return next, err
	}
	return next, ctx.Err()
}
