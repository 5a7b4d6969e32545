// Package disk writes files that survive a power cut, and locks a folder against a second process.
// Its FS is the filesystem that a log is written to. It imports the standard library and golang.org/x/sys.
package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// ErrNewer means that a file has a format that this program does not know. The error around it names the file.
var ErrNewer = errors.New("a newer version of cohort wrote it")

// WriteFile writes the file at path under a temporary name beside it, syncs it, renames it, and syncs the folder. Until
// it returns nil the earlier file is still at path. The file has mode 0600.
func WriteFile(path string, write func(io.Writer) error) error {
	return Replace(path, write, func() error { return nil })
}

// Replace is WriteFile with a last step: it calls before when the new file is complete and synced under its temporary
// name, just ahead of the rename. An error of before leaves the earlier file at path.
func Replace(path string, write func(io.Writer) error, before func() error) error {
	// The temporary name is always the same: the next write removes what a crash left behind.
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = before()
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes it durable that files in a folder were created, renamed or removed.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// MakeFolder creates a folder with mode 0700 and makes its name durable. It does not change a folder that exists.
func MakeFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		if info, e := os.Stat(path); e == nil && info.IsDir() {
			return nil
		}
		return err
	}
	return SyncFolder(filepath.Dir(path))
}
