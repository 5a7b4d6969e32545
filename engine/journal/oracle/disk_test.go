package oracle

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cohort/engine/disk"
)

// errCut is the error of every operation after the power cut.
var errCut = errors.New("the power is off")

// memDisk uses pebble's crashable memory as the filesystem of a journal. At operation cutAt the power
// goes: left is the state after the crash, and every later operation fails.
type memDisk struct {
	mem *vfs.MemFS
	rng *rand.Rand

	mu    sync.Mutex
	ops   int
	cutAt int // never when 0
	left  *vfs.MemFS

	lie func(op, name string) bool // true: report success and do nothing
}

// do runs an operation, or cuts the power before or after it.
func (d *memDisk) do(op, name string, f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left != nil {
		return errCut
	}
	d.ops++
	after := d.rng.IntN(2) == 0
	if d.ops == d.cutAt && !after {
		return d.cut()
	}
	if d.lie == nil || !d.lie(op, name) {
		if err := f(); err != nil {
			return err
		}
	}
	if d.ops == d.cutAt {
		return d.cut()
	}
	return nil
}

// cut takes what a crash leaves: of blocks of 4 KiB and of names that are not synced,
// any share, in any order.
func (d *memDisk) cut() error {
	d.left = d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 60, 100}[d.rng.IntN(4)], RNG: d.rng})
	return errCut
}

// after returns what the next process finds.
func (d *memDisk) after() *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == nil {
		_ = d.cut()
	}
	return &memDisk{mem: d.left, rng: d.rng}
}

func (d *memDisk) Mkdir(dir string) error {
	return d.do("mkdir", dir, func() error { return d.mem.MkdirAll(dir, 0o700) })
}

func (d *memDisk) ReadDir(dir string) (names []string, err error) {
	err = d.do("readdir", dir, func() (err error) {
		names, err = d.mem.List(dir)
		return err
	})
	return names, err
}

func (d *memDisk) Create(name string) (disk.File, error) {
	f := &file{disk: d, name: name}
	return f, d.do("create", name, func() (err error) {
		f.file, err = d.mem.Create(name, vfs.WriteCategoryUnspecified)
		return err
	})
}

func (d *memDisk) Open(name string) (disk.File, error) {
	f := &file{disk: d, name: name}
	return f, d.do("open", name, func() (err error) {
		f.file, err = d.mem.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
		return err
	})
}

func (d *memDisk) Rename(from, to string) error {
	return d.do("rename", to, func() error {
		if _, err := d.mem.Stat(to); err == nil {
			return fs.ErrExist
		}
		return d.mem.Rename(from, to)
	})
}

func (d *memDisk) Remove(name string) error {
	return d.do("remove", name, func() error { return d.mem.Remove(name) })
}

func (d *memDisk) SyncDir(dir string) error {
	return d.do("syncdir", path.Base(dir), func() error {
		f, err := d.mem.OpenDir(dir)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		return err
	})
}

func (d *memDisk) Allocate(name string, size int64) error {
	return d.do("allocate", name, func() error {
		f, err := d.mem.Create(name, vfs.WriteCategoryUnspecified)
		if err == nil {
			_, err = f.Write(make([]byte, size))
		}
		return err
	})
}

// file is an open file of a memDisk.
type file struct {
	disk *memDisk
	name string
	file vfs.File
}

func (f *file) Write(b []byte) (n int, err error) {
	err = f.disk.do("write", f.name, func() (err error) {
		n, err = f.file.Write(b)
		return err
	})
	return n, err
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, io.EOF
	}
	return f.file.ReadAt(b, off)
}

func (f *file) Sync() error {
	op := "sync"
	if size, err := f.Size(); err == nil && size == header {
		op = "syncheader"
	}
	return f.disk.do(op, f.name, f.file.Sync)
}

func (f *file) Settle() error { return f.disk.do("settle", f.name, f.file.Sync) }
func (f *file) Close() error  { return nil }

func (f *file) Size() (int64, error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
