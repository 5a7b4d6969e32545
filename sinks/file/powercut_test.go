package file

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"testing"
)

var errCut = errors.New("the power is cut")

// survival decides which unsynced bytes and names are there after a cut.
type survival int

const (
	nothing survival = iota // the worst that a disk may do
	names                   // names outlive the bytes behind them: a rename without a sync of the file
	all                     // the process was killed, and the system lived on
)

// inode is the bytes of one file.
type inode struct{ now, synced []byte }

// memory is a filesystem that loses unsynced data.
type memory struct {
	now, synced map[string]*inode
	left        int // steps until the power is cut; below 0: it never is
	steps       int
	t           testing.TB
}

func newMemory(t testing.TB) *memory {
	return &memory{now: map[string]*inode{}, synced: map[string]*inode{}, left: -1, t: t}
}

// after is the disk as the next process finds it.
func (m *memory) after(s survival) *memory {
	next := newMemory(m.t)
	from := m.synced
	if s != nothing {
		from = m.now
	}
	for name, file := range from {
		kept := &inode{now: file.synced, synced: file.synced}
		if s == all {
			kept = &inode{now: file.now, synced: file.now}
		}
		next.now[name], next.synced[name] = kept, kept
	}
	return next
}

func (m *memory) step() error {
	m.steps++
	if m.left == 0 {
		return errCut
	}
	m.left--
	return nil
}

func (m *memory) makeFolder(string) error { return m.step() }
func (m *memory) create(name string) (writing, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	file := &inode{}
	m.now[name] = file
	return &memoryFile{m, file}, nil
}
func (m *memory) open(name string) (io.ReadCloser, error) {
	if file := m.now[name]; file != nil {
		return io.NopCloser(bytes.NewReader(file.now)), nil
	}
	return nil, fs.ErrNotExist
}
func (m *memory) rename(from, to string) error {
	if err := m.step(); err != nil {
		return err
	}
	if old := m.now[to]; old != nil && path.Ext(to) != partExtension && path.Base(to) != manifestFile && !bytes.Equal(old.now, m.now[from].now) {
		m.t.Errorf("%s was overwritten", to)
	}
	m.now[to] = m.now[from]
	delete(m.now, from)
	return nil
}
func (m *memory) remove(name string) error {
	if err := m.step(); err != nil {
		return err
	}
	delete(m.now, name)
	return nil
}
func (m *memory) syncFolder(folder string) error {
	if err := m.step(); err != nil {
		return err
	}
	maps.DeleteFunc(m.synced, func(name string, _ *inode) bool { return path.Dir(name) == folder })
	for name, file := range m.now {
		if path.Dir(name) == folder {
			m.synced[name] = file
		}
	}
	return nil
}
func (m *memory) list(folder string) (found []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(m.now)) {
		if path.Dir(name) == folder {
			found = append(found, path.Base(name))
		}
	}
	return found, nil
}

// contents lists every file by its name.
func (m *memory) contents() map[string]string {
	found := map[string]string{}
	for name, file := range m.now {
		found[name] = string(file.now)
	}
	return found
}

type memoryFile struct {
	disk *memory
	file *inode
}

func (f *memoryFile) Write(b []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		f.file.now = append(f.file.now, b[:len(b)/2]...)
		return len(b) / 2, err
	}
	f.file.now = append(f.file.now, b...)
	return len(b), nil
}
func (f *memoryFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.file.synced = bytes.Clone(f.file.now)
	return nil
}
func (f *memoryFile) Close() error { return nil }
