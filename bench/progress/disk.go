package progress

import (
	"sync/atomic"

	"cohort/engine/journal"
)

// disk is the operating system's filesystem, which counts how often a log made something
// durable, or leaves that away: then what the log calls durable is not, which is good for
// measuring and for nothing else. That is why it is not to be had outside this package.
type disk struct {
	journal.FS
	forgetful bool
	syncs     atomic.Int64 // of files and folders
}

func newDisk(forgetful bool) *disk { return &disk{FS: journal.OS(), forgetful: forgetful} }

func (d *disk) Create(name string) (journal.File, error) {
	f, err := d.FS.Create(name)
	return diskFile{f, d}, err
}

func (d *disk) SyncDir(dir string) error { return d.sync(func() error { return d.FS.SyncDir(dir) }) }

func (d *disk) sync(call func() error) error {
	if d.forgetful {
		return nil
	}
	d.syncs.Add(1)
	return call()
}

// diskFile is a file that a log writes.
type diskFile struct {
	journal.File
	disk *disk
}

func (f diskFile) Sync() error { return f.disk.sync(f.File.Sync) }
