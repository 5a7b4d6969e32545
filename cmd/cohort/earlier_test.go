package main

import (
	"path/filepath"
	"testing"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/status"
	"cohort/engine/disk"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// A killed process leaves its name in the lock of an earlier run. A reader of the lock must not take
// that process for the run's own sender.
func TestTheHolderOfAnEarlierRunIsNamed(t *testing.T) {
	dir := t.TempDir()
	r := &earlier.Run{Entry: register.Entry{Folder: dir}}
	_ = r.Hold(false) // there is no plan
	defer r.Release()
	holder, busy := disk.LockHolder(filepath.Join(dir, runfolder.LockFile))
	if !busy || status.Sends(holder) {
		t.Errorf("held: %v, by %+v", busy, holder)
	}
}
