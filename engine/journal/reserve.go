package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// reserveName is the file whose room is given up when the disk is full.
const reserveName = "reserve"

// makeReserve sees to it that the reserve really occupies size bytes; none when negative.
// It runs at every Open: a reserve that is there already is completed, not trusted.
func makeReserve(fsys FS, dir string, size int64) error {
	if size < 0 {
		return nil
	}
	path := filepath.Join(dir, reserveName)
	err := fsys.Allocate(path, size)
	if err == nil {
		return nil
	}
	_ = fsys.Remove(path) // a part of a reserve only takes the room from others
	return noRoom(dir, size, fmt.Errorf("journal: allocate the reserve: %w", err))
}

// noRoom makes an error of Open that means a full disk say so, and how much is needed.
func noRoom(dir string, reserve int64, err error) error {
	if !outOfRoom(err) {
		return err
	}
	return fmt.Errorf("%w: %d bytes of room are needed for %s: %w", ErrFull, reserve+headerSize, dir, err)
}

// releaseReserve gives the room of the reserve back. The directory is synced because a
// filesystem with a journal of its own may free the blocks only then.
func releaseReserve(fsys FS, dir string) error {
	err := fsys.Remove(filepath.Join(dir, reserveName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: remove the reserve: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("journal: remove the reserve: %w", err)
	}
	return nil
}
