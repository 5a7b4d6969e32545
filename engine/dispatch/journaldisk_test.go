package dispatch

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"cohort/engine/disk"
)

// journalDisk is a disk in memory under a progress log. It knows which bytes are durable,
// and one of its operations can be made to fail. Names are durable at once: what a power
// cut does to names is the journal's own business.
type journalDisk struct {
	mu    sync.Mutex
	files map[string]*journalFile
	ops   int                                           // that change something, so far
	lies  bool                                          // a sync of records does nothing
	fault func(op int, write bool) (part bool, _ error) // of an operation that changes something; part: a write writes half
}

// segmentHeader is the offset of the first record of a segment.
const segmentHeader = 92

type journalFile struct {
	disk   *journalDisk
	data   []byte
	synced int  // bytes that are durable
	lost   bool // a sync has failed: what came since is on no disk, whatever a later sync says
}

func newJournalDisk() *journalDisk { return &journalDisk{files: map[string]*journalFile{}} }

// change is an operation that changes something.
func (d *journalDisk) change(do func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.enter(false); err != nil {
		return err
	}
	do()
	return nil
}

func (d *journalDisk) enter(write bool) (part bool, err error) {
	d.ops++
	if d.fault != nil {
		return d.fault(d.ops, write)
	}
	return false, nil
}

// durable returns a disk that has what this one would have after a power cut.
func (d *journalDisk) durable() *journalDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newJournalDisk()
	for name, f := range d.files {
		next.put(name, f.data[:f.synced])
	}
	return next
}

func (d *journalDisk) put(name string, data []byte) {
	d.files[name] = &journalFile{disk: d, data: bytes.Clone(data), synced: len(data)}
}

// load takes the files of a real folder, and unload writes them there.
func (d *journalDisk) load(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		var data []byte
		if data, err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			break
		}
		d.put(filepath.Join(dir, e.Name()), data)
	}
	return err
}

func (d *journalDisk) unload() error {
	for name, f := range d.files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (d *journalDisk) Mkdir(string) error { return nil }

func (d *journalDisk) ReadDir(dir string) (names []string, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

func (d *journalDisk) Create(name string) (disk.File, error) {
	f := &journalFile{disk: d}
	return f, d.change(func() { d.files[name] = f })
}

func (d *journalDisk) Open(name string) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (d *journalDisk) Rename(from, to string) error {
	return d.change(func() {
		d.files[to] = d.files[from]
		delete(d.files, from)
	})
}

func (d *journalDisk) Remove(name string) error {
	return d.change(func() { delete(d.files, name) })
}

func (d *journalDisk) SyncDir(string) error { return d.change(func() {}) }

func (d *journalDisk) Allocate(name string, _ int64) error {
	return d.change(func() { d.files[name] = &journalFile{disk: d} })
}

func (f *journalFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	part, err := f.disk.enter(true)
	if err != nil && !part {
		return 0, err
	}
	if part {
		b = b[:len(b)/2]
	}
	f.data = append(f.data, b...)
	return len(b), err
}

func (f *journalFile) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return bytes.NewReader(f.data).ReadAt(b, off)
}

func (f *journalFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.enter(false); err != nil {
		f.lost = true
		return err
	}
	if !f.lost && !(f.disk.lies && len(f.data) > segmentHeader) {
		f.synced = len(f.data)
	}
	return nil
}

func (f *journalFile) Settle() error { return f.Sync() }
func (f *journalFile) Close() error  { return nil }

func (f *journalFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.data)), nil
}
