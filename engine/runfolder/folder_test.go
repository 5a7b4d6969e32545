package runfolder

import (
	"os"
	"path/filepath"
	"testing"

	"cohort/engine/plan"
)

// What a process leaves that was killed while it cut the batches does not keep the folder.
func TestDiscardLeavesNothingOfACut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	for _, name := range []string{plan.BatchesFile + ".1234", RunFile, LockFile} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	(&Folder{Path: dir}).Discard()
	if Exists(dir) {
		t.Error("the folder is still there")
	}
}
