package inbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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
	options     journal.Options
	volumeBytes int64
	lock        *disk.Lock // nil in some tests

	size atomic.Int64 // of the volume, in bytes

	mu     sync.RWMutex // held for writing while the next volume begins
	log    *journal.Log // of the volume
	volume uint64
	broken error // why the next volume could not begin
}

// Open opens the inbox in dir for writing, and makes it if necessary; its parent must exist. doing
// is the command of cohort, for other processes to read. The error is a *disk.HeldError if another
// process has the inbox open, and otherwise one of journal.Open.
func Open(dir, doing string) (*Inbox, error) {
	if err := disk.MakeFolder(dir); err != nil {
		return nil, fmt.Errorf("the folder of the inbox cannot be made: %w", err)
	}
	lock, err := disk.Acquire(filepath.Join(dir, lockFile), doing)
	if err != nil {
		return nil, err
	}
	in, err := openOn(disk.OS(), dir, volumeBytes)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	in.lock = lock
	return in, nil
}

// openOn opens an inbox on a filesystem, without a lock.
func openOn(fsys disk.FS, dir string, volumeBytes int64) (*Inbox, error) {
	// Volumes take the place of segments. A full disk refuses all events, so it needs no reserve.
	in := &Inbox{dir: dir, volumeBytes: volumeBytes, options: journal.Options{FS: fsys, SegmentBytes: 1 << 40, Reserve: -1}}
	all, err := volumes(fsys, dir)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return in, in.begin(uint64(time.Now().Unix()))
	}
	return in, in.begin(all[len(all)-1])
}

// begin opens a volume, old or new.
func (in *Inbox) begin(volume uint64) (err error) {
	size := int64(0)
	in.volume = volume
	in.log, err = journal.Open(volumePath(in.dir, volume), volumeID(volume), in.options, func(r journal.Record) error {
		size += frameBytes + int64(len(r.Payload))
		return nil
	})
	in.size.Store(size)
	return err
}

// Put stores events, and returns when they are durable. Callers share a sync. After an error any
// part of the events may be stored. An error of the disk goes to all callers, and to all later
// ones: the inbox takes events again only after Reopen. A context that has ended
// stores nothing; one that ends later does not end the call, which lasts as long as a sync.
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
			return in.log.Commit(eventType, b) // and the events before it
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

// Reopen opens the inbox again after an error of the disk. Until it returns nil, Put returns an error.
func (in *Inbox) Reopen() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.log != nil {
		_ = in.log.Close() // Put has returned its error
	}
	in.broken = in.begin(in.volume)
	return in.broken
}

// Close ends the inbox: later calls of Put return journal.ErrClosed. What Put has acknowledged is
// durable without it.
func (in *Inbox) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	var errs []error
	if in.log != nil {
		errs = append(errs, in.log.Close())
	}
	if in.lock != nil {
		errs = append(errs, in.lock.Release())
	}
	in.log, in.lock, in.broken = nil, nil, journal.ErrClosed
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
