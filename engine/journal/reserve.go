package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"cohort/engine/disk"
)

const reserveName = "reserve"

// makeReserve makes the reserve occupy size bytes on disk; a negative size means no reserve.
// It runs at every Open, because an existing reserve may be incomplete.
func makeReserve(fsys disk.FS, dir string, size int64) error {
	if size < 0 {
		return nil
	}
	path := filepath.Join(dir, reserveName)
	err := fsys.Allocate(path, size)
	if err == nil {
		return nil
	}
	_ = fsys.Remove(path) // an incomplete reserve is useless
	return noRoom(dir, size, fmt.Errorf("journal: allocate the reserve: %w", err))
}

// noRoom wraps an error of Open in ErrFull, with the room needed, if the disk is full.
func noRoom(dir string, reserve int64, err error) error {
	if !outOfRoom(err) {
		return err
	}
	return fmt.Errorf("%w: %d bytes of room are needed for %s: %w", ErrFull, reserve+headerSize, dir, err)
}

// releaseReserve removes the reserve. It syncs the directory, because a filesystem with a
// journal may free the blocks only then.
func releaseReserve(fsys disk.FS, dir string) error {
	err := fsys.Remove(filepath.Join(dir, reserveName))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("journal: remove the reserve: %w", err)
	}
	return nil
}
