package journal

import (
	"fmt"
	"time"
)

// commitGroups is the committer: the only goroutine that writes. It ends when the log is
// closed and the last group is done.
func (l *Log) commitGroups() {
	defer close(l.stopped)
	timer := time.NewTimer(0)
	timer.Stop()
	for {
		g, last := l.take(timer)
		err := l.commit(g)
		l.mu.Lock()
		l.inflight = nil
		l.mu.Unlock()
		g.err = err
		close(g.done) // the callers know
		if err == nil {
			l.out.hash.Write(g.buf)
		}
		l.recycle(g)
		if last {
			return
		}
	}
}

// take waits until the current group is due and replaces it by an empty one. A group is due
// when a caller waits for it, when Delay has passed since the committer first saw it, or
// when the log is closed. last reports that the log is closed.
func (l *Log) take(timer *time.Timer) (g *group, last bool) {
	var deadline <-chan time.Time
	due := false
	for {
		l.mu.Lock()
		g = l.current
		if l.closed || g.urgent || due {
			last = l.closed
			l.current, l.inflight = newGroup(l.spareBuf, l.spareIdx), g
			l.spareBuf, l.spareIdx = nil, nil
			if g.taken != nil {
				close(g.taken)
			}
			l.mu.Unlock()
			timer.Stop()
			return g, last
		}
		empty := len(g.buf) == 0
		l.mu.Unlock()
		if !empty && deadline == nil {
			timer.Reset(l.o.Delay)
			deadline = timer.C
		}
		select {
		case <-l.wake:
		case <-deadline:
			due = true
		}
	}
}

// commit makes a group durable. No other place decides what an error means.
func (l *Log) commit(g *group) error {
	// Read without the lock: only this goroutine sets them.
	if l.poison != nil {
		return l.poison
	}
	if l.full != nil {
		g.dropIntents(l.full)
	}
	began := time.Now()
	err := l.out.put(g.buf)
	if err == nil && len(g.buf) > 0 {
		l.syncs.add(time.Since(began))
	}
	if outOfRoom(err) && l.full == nil {
		l.fail(&l.full, fmt.Errorf("%w: %w", ErrFull, err))
		g.dropIntents(l.full)
		if again := l.rewrite(g); again != nil {
			err = fmt.Errorf("%w; in the reserve, after: %w", again, err)
		} else {
			err = nil
		}
	}
	if err != nil {
		l.fail(&l.poison, fmt.Errorf("%w: %w", ErrPoisoned, err))
		return l.poison
	}
	return nil
}

// rewrite makes a group durable in a new segment, in the room of the reserve. The bytes of
// the failed write stay in the old segment, beyond its sealed end.
func (l *Log) rewrite(g *group) error {
	if err := releaseReserve(l.o.FS, l.out.dir); err != nil {
		return err
	}
	if err := l.out.seal(); err != nil {
		return err
	}
	return l.out.put(g.buf)
}

// fail records an error for all later calls and closes Failed.
func (l *Log) fail(field *error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.full == nil && l.poison == nil
	*field = err
	if first {
		close(l.failed)
	}
}

// recycle keeps the buffers of a group for a later group, unless a burst made them large.
func (l *Log) recycle(g *group) {
	if cap(g.buf) > 2*maxPending {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spareBuf, l.spareIdx = g.buf, g.intents
}
