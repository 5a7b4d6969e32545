package intake

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The sweep removes the folders of killed checks, and keeps those of checks at work.
func TestScratchFoldersAreSwept(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	killed, atWork := must(newScratch(dir, log)), must(newScratch(dir, log))
	for _, s := range []*scratch{killed, atWork} {
		must(0, os.WriteFile(filepath.Join(s.path, "shard-000.arrow"), []byte("records"), 0o600))
	}
	must(0, os.Mkdir(filepath.Join(dir, "cohort-other"), 0o700))
	must(0, killed.held.Close()) // as the end of its process does
	next := must(newScratch(dir, log))
	if _, err := os.Stat(killed.path); !os.IsNotExist(err) {
		t.Errorf("what a killed check had left is still there: %v", err)
	}
	for _, path := range []string{filepath.Join(atWork.path, "shard-000.arrow"), next.path, filepath.Join(dir, "cohort-other")} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("what nobody has left is gone: %v", err)
		}
	}
	if n := strings.Count(said.String(), "the folder of a killed check is removed"); n != 1 {
		t.Errorf("%d were removed:\n%s", n, said.String())
	}
	atWork.remove()
	next.remove()
	if left := must(os.ReadDir(dir)); len(left) != 1 {
		t.Errorf("%d are left", len(left))
	}
}
