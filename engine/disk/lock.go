package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock keeps other processes out of a folder. It is a file locked by flock(2): the kernel
// releases it when the process ends, however it ends.
type Lock struct{ f *os.File }

// Holder is the process that holds a lock. The lock file contains it as JSON.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	Doing string    `json:"doing,omitempty"` // the command of cohort, if known
}

// HeldError says that another process holds the lock.
type HeldError struct{ Holder Holder }

// Error names the process, and the signal that stops it: a command of cohort may not reach it.
func (e *HeldError) Error() string {
	if e.Holder.PID == 0 {
		return "another process is at work here; wait for it"
	}
	doing := ""
	if e.Holder.Doing != "" {
		doing = " (cohort " + e.Holder.Doing + ")"
	}
	return fmt.Sprintf("process %[1]d on %[2]s is at work here%[3]s since %[4]s; wait for it, or on %[2]s: kill -INT %[1]d",
		e.Holder.PID, e.Holder.Host, doing, e.Holder.Since.Format(time.DateTime))
}

// patience is the time that Acquire keeps trying: LockHolder may hold the lock for an instant.
const patience = time.Second

// Acquire locks the file at path and creates it if necessary. doing is the command of cohort, for other processes to
// read; it may be empty. If another process keeps the lock for a second, the error is a *HeldError.
func Acquire(path, doing string) (*Lock, error) {
	retry := time.NewTicker(patience / 20)
	defer retry.Stop()
	for end := time.Now().Add(patience); ; <-retry.C {
		f, err := try(path)
		if err == nil {
			return sign(f, doing)
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		if time.Now().After(end) {
			holder, _ := LockHolder(path)
			return nil, &HeldError{holder}
		}
	}
}

// try locks the file at path once. EWOULDBLOCK means that another process holds it.
func try(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%s cannot be locked: %w", path, err)
	}
	var locked, named os.FileInfo
	if err == nil {
		locked, err = f.Stat()
	}
	if err == nil {
		// The earlier holder may have removed this file, perhaps with its folder.
		if named, err = os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(locked, named) {
			err = unix.EWOULDBLOCK
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sign writes this process into a locked file.
func sign(f *os.File, doing string) (*Lock, error) {
	host, _ := os.Hostname()
	text, _ := json.Marshal(Holder{PID: os.Getpid(), Host: host, Since: time.Now().Round(0), Doing: doing})
	text = append(text, '\n')
	_, err := f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text))) // last: a full disk has no room but that of the earlier text
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// Release unlocks the file and blanks its holder. A holder that stays in the file belongs to a process that was killed.
func (l *Lock) Release() error {
	_, err := l.f.WriteAt([]byte("{}"+strings.Repeat(" ", 61)+"\n"), 0)
	return errors.Join(err, l.f.Truncate(64), l.f.Close())
}

// LockHolder reads the holder from the lock file at path, and reports whether it holds the lock now. If not, it is the
// last holder that ended without a Release, or zero. A missing file has no holder. It keeps nobody out.
func LockHolder(path string) (h Holder, held bool) {
	f, err := os.Open(path)
	if err != nil {
		return Holder{}, false
	}
	defer func() { _ = f.Close() }()
	held = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
	text := make([]byte, 1024)
	n, _ := f.ReadAt(text, 0)
	_ = json.Unmarshal(text[:n], &h) // a file that cannot be read names nobody
	return h, held
}
