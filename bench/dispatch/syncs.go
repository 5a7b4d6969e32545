package dispatch

import (
	"sync/atomic"

	"cohort/engine/journal"
)

// syncCounter is the operating system's filesystem, and counts how often something is
// made durable.
type syncCounter struct {
	journal.FS
	syncs atomic.Int64
}

func newSyncCounter() *syncCounter { return &syncCounter{FS: journal.OS()} }

// Create implements journal.FS.
func (c *syncCounter) Create(name string) (journal.File, error) {
	f, err := c.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return syncedFile{f, c}, nil
}

// SyncDir implements journal.FS.
func (c *syncCounter) SyncDir(dir string) error {
	c.syncs.Add(1)
	return c.FS.SyncDir(dir)
}

type syncedFile struct {
	journal.File
	counter *syncCounter
}

// Sync implements journal.File.
func (f syncedFile) Sync() error {
	f.counter.syncs.Add(1)
	return f.File.Sync()
}
