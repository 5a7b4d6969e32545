package journal

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"cohort/engine/disk"
)

// Log is a log open for appending. It is safe for concurrent use. One process at a time
// may have a log open: the caller holds a lock on the run.
type Log struct {
	o       Options
	failed  chan struct{} // closed at the first error
	stopped chan struct{} // closed when the committer has ended
	wake    chan struct{} // has a token when the committer should look
	out     *writer       // owned by the committer
	syncs   Syncs         // of out

	mu       sync.Mutex // guards the fields below
	current  *group     // collects records
	inflight *group     // is being written, or nil
	spareBuf []byte     // the buffer of the group written last, for reuse
	spareIdx []int
	full     error // wraps ErrFull; set by the committer
	poison   error // wraps ErrPoisoned; set by the committer
	closed   bool

	closing  sync.Once
	closeErr error
}

// Open is Replay, and then Open of the result.
func Open(dir string, run [16]byte, o Options, fn func(Record) error) (*Log, error) {
	r, err := Replay(dir, run, o, fn)
	if err != nil {
		return nil, err
	}
	return r.open()
}

// Replayed is a log that was read, and that can be opened.
type Replayed struct {
	o     Options
	dir   string
	run   [16]byte
	tail  Tail
	chain [32]byte
}

// Replay reads the log in dir to open it: it calls fn, unless it is nil, with every record in order. When it returns,
// every record is durable. A missing or empty directory is a new log; its parent must exist. Nothing else changes.
//
// An error of fn ends the reading and is returned unchanged. Damage is a *CorruptError, a segment of another run
// ErrOtherRun, and a newer format ErrNewer. After an error the caller must not use the records given to fn.
func Replay(dir string, run [16]byte, o Options, fn func(Record) error) (*Replayed, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	r := &Replayed{o: o, dir: filepath.Clean(dir), run: run} // filepath.Dir needs it
	r.tail, r.chain, err = replay(o.FS, r.dir, run, true, fn)
	return r, err
}

// Open starts a new segment for appending. It removes the temporary files of a crash. The caller has held the lock since
// Replay. ErrChanged says that the log was written to since then, and ErrFull that the disk has no room for the reserve.
// After an error the log is unchanged.
func (r *Replayed) Open() (*Log, error) {
	if err := r.unchanged(); err != nil {
		return nil, err
	}
	return r.open()
}

func (r *Replayed) open() (*Log, error) {
	o, dir, tail := r.o, r.dir, r.tail
	if err := o.FS.Mkdir(dir); err != nil {
		return nil, noRoom(dir, max(o.Reserve, 0), fmt.Errorf("journal: make the directory: %w", err))
	}
	// Also if the directory exists: the process that made it may have died before this line.
	if err := o.FS.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("journal: sync the parent directory: %w", err)
	}
	// The name of the last segment must be durable before the name of the next.
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
	h := header{run: r.run, number: tail.Segment + 1, firstSeq: tail.Seq + 1, prevEnd: uint64(tail.End), prevChain: r.chain}
	if err := out.start(h); err != nil {
		return nil, noRoom(dir, 0, err)
	}
	l := &Log{
		o: o, out: out, current: newGroup(nil, nil),
		failed: make(chan struct{}), stopped: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	go l.commitGroups()
	return l, nil
}

// unchanged returns an error unless the log still ends where Replay found its end.
func (r *Replayed) unchanged() error {
	last, err := lastSegment(r.o.FS, r.dir)
	if err != nil || last == 0 && r.tail.Segment == 0 {
		return err
	}
	if last != r.tail.Segment {
		return ErrChanged
	}
	s, err := openSegment(r.o.FS, r.dir, r.run, last, false)
	if err != nil {
		return err
	}
	_ = s.file.Close() // it was opened for reading
	if s.size != r.tail.End+r.tail.Torn {
		return ErrChanged
	}
	return nil
}

// removeLitter removes the segments that a crash left half created.
func removeLitter(fsys disk.FS, dir string) error {
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

// Append adds a record that becomes durable soon: after Delay and the time for writing. It
// copies the payload, and waits only when 8 MiB are pending. Nil means taken, not durable:
// see Flush and Failed. It is meant for outcomes: losing the record must do no harm.
//
// The errors are ErrPoisoned, ErrClosed, ErrTooLarge and ErrBadType. On a full disk Append
// takes records while the reserve lasts.
func (l *Log) Append(t Type, payload []byte) error {
	if err := checkRecord(t, payload); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.add(t, payload, false)
	return err
}

// Commit adds a record and returns when it and all earlier records are durable. It is meant
// for intents: the caller may act only if the error is nil.
//
// The errors are those of Append, and ErrFull: a full disk refuses the record.
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

// add adds a record to the current group and returns the group. The caller holds the lock; add
// releases it while it waits for room.
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

// hurry makes the committer take the group at once. The caller holds the lock.
func (l *Log) hurry(g *group) {
	if !g.urgent {
		g.urgent = true
		l.rouse()
	}
}

// rouse makes the committer look at the current group. One token is enough.
func (l *Log) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Flush makes all records taken before the call durable, and waits for it. On a full disk it
// returns nil if the records of Append are durable. The error is ErrPoisoned.
func (l *Log) Flush() error {
	l.mu.Lock()
	g, err := l.inflight, l.poison
	if len(l.current.buf) > 0 {
		g = l.current // it is done after the one in flight
		l.hurry(g)
	}
	l.mu.Unlock()
	if g == nil || err != nil {
		return err
	}
	<-g.done
	return g.err
}

// Err returns the error that Commit would return, or nil: it wraps ErrFull, or ErrPoisoned and its cause.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.poison != nil {
		return l.poison
	}
	return l.full
}

// Failed is closed at the first error, before any call returns it. See Err.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Close makes all taken records durable, removes the reserve, and ends the log. Later calls
// return ErrClosed. The error is that of Flush. A second Close returns the same.
func (l *Log) Close() error {
	l.closing.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.rouse()
		l.mu.Unlock()
		<-l.stopped
		// Everything is synced, so an error of closing loses nothing. The next Open completes a reserve that stays.
		_ = l.out.file.Close()
		if l.closeErr = l.poison; l.closeErr == nil && l.o.Reserve >= 0 {
			_ = l.o.FS.Remove(filepath.Join(l.out.dir, reserveName))
		}
	})
	return l.closeErr
}
