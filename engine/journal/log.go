package journal

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// Log is a log open for appending. It is safe for concurrent use. One process at a time
// may have a log open: the caller holds a lock on the run.
type Log struct {
	o       Options
	failed  chan struct{} // closed at the first error
	stopped chan struct{} // closed when the committer has ended
	wake    chan struct{} // holds a token when the committer should look
	out     *writer       // the committer's

	mu       sync.Mutex // over what follows
	current  *group     // collects
	inflight *group     // is being written, or nil
	spareBuf []byte     // of the group written last, for the next but one
	spareIdx []int
	full     error // wraps ErrFull; set by the committer
	poison   error // wraps ErrPoisoned; set by the committer
	closed   bool

	closing  sync.Once
	closeErr error
}

// Open replays the log in dir, calling fn (unless it is nil) with every record in order,
// and starts a new segment to append to. A missing or empty directory is a new log; the
// directory that dir is in must exist. Once Open has returned, every record it replayed
// is durable. Temporary files that a crash left behind are removed.
//
// An error of fn ends the opening and is returned as it is. Damage gives a
// *CorruptError, a segment of another run ErrOtherRun, a newer format ErrNewer, and a
// disk without room for the reserve ErrFull: then whatever fn was given must not be used,
// and the log is as it was before.
func Open(dir string, run [16]byte, o Options, fn func(Record) error) (*Log, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir) // so that the parent is the parent
	if err := o.FS.Mkdir(dir); err != nil {
		return nil, noRoom(dir, max(o.Reserve, 0), fmt.Errorf("journal: make the directory: %w", err))
	}
	// Synced even if the directory was there: its maker may have died before this line.
	if err := o.FS.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("journal: sync the parent directory: %w", err)
	}
	tail, chain, err := replay(o.FS, dir, run, true, fn)
	if err != nil {
		return nil, err
	}
	// The last segment's name must outlive a power cut before its successor's can.
	if err := o.FS.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("journal: sync the directory: %w", err)
	}
	if err := removeLitter(o.FS, dir); err != nil {
		return nil, err
	}
	if err := makeReserve(o.FS, dir, o.Reserve); err != nil {
		return nil, err
	}
	out := &writer{fsys: o.FS, dir: dir, segmentBytes: o.SegmentBytes, next: tail.Seq + 1}
	h := header{run: run, number: tail.Segment + 1, firstSeq: tail.Seq + 1, prevEnd: uint64(tail.End), prevChain: chain}
	if err := out.start(h); err != nil {
		return nil, noRoom(dir, 0, err)
	}
	l := &Log{
		o:       o,
		failed:  make(chan struct{}),
		stopped: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		out:     out,
		current: newGroup(nil, nil),
	}
	go l.commitGroups()
	return l, nil
}

// removeLitter removes the headers that a crash kept from becoming segments.
func removeLitter(fsys FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	for _, name := range names {
		if err == nil && strings.HasSuffix(name, tempSuffix) {
			err = fsys.Remove(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return fmt.Errorf("journal: remove temporary files: %w", err)
	}
	return nil
}

// Append adds a record that becomes durable soon, within Delay and the time that writing
// takes. It copies the payload and does not wait, except for room when 8 MiB are
// pending. Nil means taken, not durable: Flush tells, and so does Failed. It is meant for
// outcomes: a record that is lost with the machine must do no harm.
//
// The errors are ErrPoisoned, ErrClosed, ErrTooLarge and ErrBadType. On a full disk
// records are still taken while the reserve lasts.
func (l *Log) Append(t Type, payload []byte) error {
	if err := checkRecord(t, payload); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.add(t, payload, false)
	return err
}

// Commit adds a record and returns when it, and everything added before, is durable. It
// is meant for intents: on nil the caller may act, on any error it must not.
//
// The errors are those of Append and ErrFull: on a full disk the record is refused.
func (l *Log) Commit(t Type, payload []byte) error {
	if err := checkRecord(t, payload); err != nil {
		return err
	}
	l.mu.Lock()
	g, err := l.add(t, payload, true)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	<-g.done
	if g.err != nil {
		return g.err
	}
	return g.intentErr
}

// add adds a record to the current group and returns the group. The lock is held, and
// released while add waits for room.
func (l *Log) add(t Type, payload []byte, intent bool) (*group, error) {
	for {
		switch {
		case l.poison != nil:
			return nil, l.poison
		case l.closed:
			return nil, ErrClosed
		case intent && l.full != nil:
			return nil, l.full
		}
		g := l.current
		if g.hasRoom(payload) {
			first := len(g.buf) == 0
			g.add(t, payload, intent)
			if first || intent && !g.urgent {
				g.urgent = g.urgent || intent
				l.rouse()
			}
			return g, nil
		}
		l.hurry(g)
		if g.taken == nil {
			g.taken = make(chan struct{})
		}
		taken := g.taken
		l.mu.Unlock()
		<-taken
		l.mu.Lock()
	}
}

// hurry has the committer take the group without waiting for company. The lock is held.
func (l *Log) hurry(g *group) {
	if !g.urgent {
		g.urgent = true
		l.rouse()
	}
}

// rouse has the committer look at the current group. A token that is there already will do.
func (l *Log) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Flush waits until everything that was taken before the call is durable, and hurries
// it. On a full disk it returns nil as long as what Append took is durable. The error is
// ErrPoisoned.
func (l *Log) Flush() error {
	l.mu.Lock()
	g, err := l.inflight, l.poison
	if len(l.current.buf) > 0 {
		g = l.current // and it is done only after the one in flight
		l.hurry(g)
	}
	l.mu.Unlock()
	if g == nil || err != nil {
		return err
	}
	<-g.done
	return g.err
}

// Err returns nil while all is well, then the error that Commit returns: one that wraps
// ErrFull, or ErrPoisoned and its cause.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.poison != nil {
		return l.poison
	}
	return l.full
}

// Failed is closed at the first error, before any call returns it. Err says which.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Close writes what was taken, makes it durable, and ends the log. Calls that come later
// get ErrClosed. The error is that of Flush. The reserve is removed. A second Close
// returns what the first did.
func (l *Log) Close() error {
	l.closing.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.rouse()
		l.mu.Unlock()
		<-l.stopped
		// Everything is synced, so that closing the file has nothing left to report, and
		// a reserve that stays is completed by the next Open.
		_ = l.out.file.Close()
		if l.closeErr = l.poison; l.closeErr == nil && l.o.Reserve >= 0 {
			_ = l.o.FS.Remove(filepath.Join(l.out.dir, reserveName))
		}
	})
	return l.closeErr
}

// poisoned wraps the first error for all later calls.
func poisoned(cause error) error { return fmt.Errorf("%w: %w", ErrPoisoned, cause) }
