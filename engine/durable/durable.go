// Package durable writes files so that a power cut leaves either the whole file or
// none of it. It is a leaf that imports only the standard library.
package durable

import (
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes the file at path: under a temporary name beside it, synced,
// renamed, and the folder synced. Until it returns nil whatever stood at path before
// still stands there. The file has mode 0600.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	return Replace(path, write, func() error { return nil })
}

// Replace is WriteFile with a last word: before is called when the new file is whole and
// on disk under its temporary name, and nothing but its renaming is left to do. An error
// of before leaves what stood at path.
func Replace(path string, write func(io.Writer) error, before func() error) (err error) {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = before()
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes the names in a folder durable: those created, renamed or removed.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// MakeFolder creates a folder with mode 0700 and makes its name durable. A folder
// that is there already is left as it is.
func MakeFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		if info, e := os.Stat(path); e == nil && info.IsDir() {
			return nil
		}
		return err
	}
	return SyncFolder(filepath.Dir(path))
}
