package inbox

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/disk"
	"cohort/engine/journal"
)

const (
	lockFile    = "lock"
	volumeBytes = 64 << 20
	eventType   = journal.Type(1)
	frameBytes  = 17 // before the payload of a record: see engine/journal
)

// Inbox is an inbox that is open for writing. It is safe for concurrent use.
type Inbox struct {
	dir         string
	doing       string
	options     journal.Options
	volumeBytes int64
	damaged     func(error) // nil: a damaged volume is an error

	size atomic.Int64 // of the volume, in bytes

	mu     sync.RWMutex // held for writing while the next volume begins
	lock   *disk.Lock   // nil in some tests
	files  []placed     // what is open
	log    *journal.Log // of the volume
	volume uint64
	broken error // why the next volume could not begin
}

// placed is an open file and where it is to be.
type placed struct {
	path string
	info os.FileInfo
}

// ErrMoved means that an inbox is not where it was opened. What Put acknowledged before is where the folder is now.
var ErrMoved = errors.New("the inbox was deleted, moved or replaced while it was written to, and what it had before went with it")

// Open opens the inbox in dir for writing, and makes it if necessary; its parent must exist. doing
// is the command of cohort, for other processes to read. The error is a *disk.HeldError if another
// process has the inbox open, and otherwise one of journal.Open.
func Open(dir, doing string) (*Inbox, error) { return OpenBeside(dir, doing, nil) }

// OpenBeside is Open, but when the last volume is damaged it leaves that volume as it is, and begins a new one beside it.
// It calls damaged with the damage, and so does Reopen.
func OpenBeside(dir, doing string, damaged func(error)) (*Inbox, error) {
	in := newInbox(disk.OS(), dir, volumeBytes)
	in.doing, in.damaged = doing, damaged
	if err := in.open(); err != nil {
		return nil, err
	}
	return in, nil
}

func newInbox(fsys disk.FS, dir string, volumeBytes int64) *Inbox {
	// Volumes take the place of segments. A full disk refuses all events, so it needs no reserve.
	return &Inbox{dir: dir, volumeBytes: volumeBytes, options: journal.Options{FS: fsys, SegmentBytes: 1 << 40, Reserve: -1}}
}

// open locks the folder, and opens the volume that was written to last.
func (in *Inbox) open() (err error) {
	if in.real() {
		if err := disk.MakeFolder(in.dir); err != nil {
			return fmt.Errorf("the folder of the inbox cannot be made: %w", err)
		}
		if in.lock, err = disk.Acquire(filepath.Join(in.dir, lockFile), in.doing); err != nil {
			return err
		}
	}
	all, err := volumes(in.options.FS, in.dir)
	last := uint64(time.Now().Unix())
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	if err == nil {
		err = in.begin(last)
	}
	if in.damaged != nil && isDamage(err) {
		in.damaged(err)
		err = in.begin(last + 1)
	}
	if err != nil {
		err = errors.Join(err, in.shut())
	}
	return err
}

// isDamage reports whether a volume cannot be read, and will not be able to.
func isDamage(err error) bool {
	return errors.As(err, new(*journal.CorruptError)) || errors.Is(err, syscall.EIO)
}

// real reports whether the filesystem is that of the operating system. Those of tests have no locks.
func (in *Inbox) real() bool { return in.options.FS == disk.OS() }

// begin opens a volume, old or new.
func (in *Inbox) begin(volume uint64) (err error) {
	size, dir := int64(0), volumePath(in.dir, volume)
	in.volume = volume
	in.log, err = journal.Open(dir, volumeID(volume), in.options, func(r journal.Record) error {
		size += frameBytes + int64(len(r.Payload))
		return nil
	})
	in.size.Store(size)
	if err != nil || !in.real() {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.log")) // the last one is written to
	in.files = nil
	for _, path := range append(segments[max(0, len(segments)-1):], filepath.Join(in.dir, lockFile)) {
		info, failed := os.Stat(path)
		err = errors.Join(err, failed)
		in.files = append(in.files, placed{path, info})
	}
	return err
}

// InPlace returns ErrMoved, with the file, unless what is written to is what others find in the inbox's folder.
func (in *Inbox) InPlace() error {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.inPlace()
}

func (in *Inbox) inPlace() error {
	for _, f := range in.files {
		if there, err := os.Stat(f.path); err != nil || !os.SameFile(there, f.info) {
			return fmt.Errorf("%s: %w", f.path, ErrMoved)
		}
	}
	return nil
}

// Put stores events, and returns when they are durable. Callers share a sync. After an error any
// part of the events may be stored. An error of the disk goes to all callers, and to all later
// ones: the inbox takes events again only after Reopen. ErrMoved means that nobody would find the
// events. A context that has ended stores nothing; one that ends later does not end the call, which lasts as long as a sync.
func (in *Inbox) Put(ctx context.Context, events []delivery.Event) error {
	if err := ctx.Err(); err != nil || len(events) == 0 {
		return err
	}
	if in.size.Load() >= in.volumeBytes {
		in.next()
	}
	in.mu.RLock()
	defer in.mu.RUnlock()
	if in.broken != nil {
		return in.broken
	}
	var space [1024]byte
	for i := range events {
		b := delivery.Append(space[:0], &events[i])
		in.size.Add(frameBytes + int64(len(b)))
		if i == len(events)-1 {
			return cmp.Or(in.log.Commit(eventType, b), in.inPlace()) // and the events before it
		}
		if err := in.log.Append(eventType, b); err != nil {
			return err
		}
	}
	return nil
}

// next begins the next volume, unless another caller has.
func (in *Inbox) next() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.broken != nil || in.size.Load() < in.volumeBytes {
		return
	}
	if in.broken = in.log.Close(); in.broken == nil {
		in.broken = in.begin(in.volume + 1)
	}
}

// Reopen opens the inbox again after an error. Until it returns nil, Put returns an error.
func (in *Inbox) Reopen() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	_ = in.shut() // Put has returned its error
	in.broken = in.open()
	return in.broken
}

// Close ends the inbox: later calls of Put return journal.ErrClosed. What Put has acknowledged is
// durable without it.
func (in *Inbox) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	err := in.shut()
	in.broken = journal.ErrClosed
	return err
}

func (in *Inbox) shut() error {
	var errs []error
	if in.log != nil {
		errs = append(errs, in.log.Close())
	}
	if in.lock != nil {
		errs = append(errs, in.lock.Release())
	}
	in.log, in.lock, in.files = nil, nil, nil
	return errors.Join(errs...)
}

// volumes lists the numbers of the volumes, in order. A folder that is missing has none.
func volumes(fsys disk.FS, dir string) (all []uint64, err error) {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 63); err == nil && n > 0 && name == filepath.Base(volumePath(dir, n)) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, err
}

func volumePath(dir string, volume uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d", volume))
}

// volumeID is the id that the log of a volume has instead of a run's.
func volumeID(volume uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[copy(id[:], "inbox\x00\x00\x00"):], volume)
	return id
}
