package intake

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cohort/engine/runfolder"
)

// scratchPrefix begins the names of the folders in which checks work.
const scratchPrefix = "cohort-check-"

// scratch is a temporary folder for records. The lock file in it is held for as long as
// the process lives, so that nobody takes the folder for one that was left behind.
type scratch struct {
	path string
	held *os.File
}

// newScratch makes a folder in dir, and removes there what was left behind.
func newScratch(dir string, log *slog.Logger) (*scratch, error) {
	sweepScratch(dir, log)
	for {
		path, err := os.MkdirTemp(dir, scratchPrefix) // with mode 0700
		if err != nil {
			return nil, err
		}
		held, err := holdScratch(path)
		if err == nil && stands(held) {
			return &scratch{path, held}, nil
		}
		if held != nil {
			_ = held.Close()
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(path)
			return nil, err
		}
		// A sweep was quicker than the lock, and removes it.
	}
}

// holdScratch locks a folder. EWOULDBLOCK says that another process holds it.
func holdScratch(path string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(path, runfolder.LockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// remove removes the folder.
func (s *scratch) remove() {
	_ = os.RemoveAll(s.path)
	_ = s.held.Close()
}

// sweepScratch removes the folders that checks which were killed have left in dir. Those
// of checks at work are locked, and those of other people cannot be opened.
func sweepScratch(dir string, log *slog.Logger) {
	entries, _ := os.ReadDir(dir) // whatever is wrong with the folder is said elsewhere
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), scratchPrefix) || !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		held, err := holdScratch(path)
		if err != nil {
			continue
		}
		if err := os.RemoveAll(path); err == nil {
			log.Info("what a killed check had left is removed", "folder", path)
		} else {
			log.Warn("a folder with personal data in it was left by a killed check and cannot be removed", "folder", path, "problem", err.Error())
		}
		_ = held.Close()
	}
}
