package file

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"cohort/engine/disk"
)

// filesystem does one step at a time. A test can cut the power before each step. A missing
// file is fs.ErrNotExist.
type filesystem interface {
	makeFolder(path string) error        // mode 0700, durable; an existing folder stays
	create(path string) (writing, error) // mode 0600, empty
	open(path string) (io.ReadCloser, error)
	rename(from, to string) error
	remove(path string) error
	syncFolder(path string) error
	list(path string) ([]string, error) // the names in a folder, sorted
}

type writing interface {
	io.WriteCloser
	Sync() error
}

type system struct{}

func (system) makeFolder(path string) error { return disk.MakeFolder(path) }
func (system) create(path string) (writing, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}
func (system) open(path string) (io.ReadCloser, error) { return os.Open(path) }
func (system) rename(from, to string) error            { return os.Rename(from, to) }
func (system) remove(path string) error                { return os.Remove(path) }
func (system) syncFolder(path string) error            { return disk.SyncFolder(path) }
func (system) list(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// temporary is the name of a file that is not whole yet.
func temporary(path string) string { return path + ".tmp" }

// write writes a file under its temporary name, and syncs it.
func write(d filesystem, path string, content func(io.Writer) error) error {
	f, err := d.create(temporary(path))
	if err != nil {
		return err
	}
	if err = content(f); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = d.remove(temporary(path))
	}
	return err
}

// read reads a small file. Without one, it returns nil and no error.
func read(d filesystem, path string) ([]byte, error) {
	f, err := d.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(f)
}
