package intake

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cohort/engine/event"
	"cohort/engine/runfolder"
)

// scratchPrefix begins the names of the folders of checks.
const scratchPrefix = "cohort-check-"

// scratch is a temporary folder for records. Its lock file is held while the process lives, so a
// sweep leaves it alone.
type scratch struct {
	path string
	held *os.File
}

// newScratch makes a folder in dir, and removes the folders of killed checks there.
func newScratch(dir string, log *slog.Logger) (*scratch, error) {
	sweepScratch(dir, log)
	var path string
	held, err := makeLocked(func() (f *os.File, err error) {
		if path, err = os.MkdirTemp(dir, scratchPrefix); err != nil { // with mode 0700
			return nil, err
		}
		if f, err = scratchLock(path); errors.Is(err, fs.ErrNotExist) {
			err = unix.EWOULDBLOCK // a sweep has removed the folder
		}
		return f, err
	})
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, err
	}
	return &scratch{path, held}, nil
}

func scratchLock(path string) (*os.File, error) {
	return os.OpenFile(filepath.Join(path, runfolder.LockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

// makeLocked creates and locks a file. It tries again when the sweep of another process was
// quicker than the lock; create returns EWOULDBLOCK for that.
func makeLocked(create func() (*os.File, error)) (*os.File, error) {
	for {
		f, err := create()
		if err == nil {
			if err = lock(f); err == nil && stands(f) {
				return f, nil
			}
			_ = f.Close()
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
	}
}

// lock locks a file. EWOULDBLOCK means that another process holds it.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// stands reports whether an open file still has its name.
func stands(f *os.File) bool {
	mine, errMine := f.Stat()
	there, errThere := os.Stat(f.Name())
	return errMine == nil && errThere == nil && os.SameFile(mine, there)
}

// remove removes the folder.
func (s *scratch) remove() {
	_ = os.RemoveAll(s.path)
	_ = s.held.Close()
}

// sweepScratch removes the folders that killed checks left in dir.
func sweepScratch(dir string, log *slog.Logger) {
	open := func(path string) (*os.File, error) {
		f, err := scratchLock(path)
		if err != nil {
			err = fs.ErrNotExist // it belongs to another user
		}
		return f, err
	}
	sweep(dir, scratchPrefix, fs.ModeDir, open, func(path string, err error) {
		if err == nil {
			log.Info("the folder of a killed check is removed", event.LeftBehind, "folder", path)
			return
		}
		log.Warn("a folder with personal data in it was left by a killed check and cannot be removed", event.LeftBehind, "folder", path, "problem", err.Error())
	})
}

// sweep removes what killed processes left in dir, and reports each removal to done. Of a type of
// file, it takes those with a prefix; open opens the file that their owner locks.
func sweep(dir, prefix string, kind fs.FileMode, open func(path string) (*os.File, error), done func(path string, err error)) {
	entries, _ := os.ReadDir(dir) // other code reports what is wrong with the folder
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || e.Type() != kind {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := open(path)
		if err == nil {
			if err = lock(f); err == nil {
				err = os.RemoveAll(path)
			}
			_ = f.Close()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			done(path, err)
		}
	}
}
