// Package lock keeps two processes off the same folder. A lock is a file that a
// process holds by flock(2): it is let go when the process ends, however it ends.
package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Holder says who holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	Doing string    `json:"doing,omitempty"` // the command, where it was said
}

// HeldError says that another process holds the lock.
type HeldError struct{ Holder Holder }

// Error names the process.
func (e *HeldError) Error() string {
	if e.Holder.PID == 0 {
		return "another process is at work here; wait for it or stop it"
	}
	doing := ""
	if e.Holder.Doing != "" {
		doing = " (cohort " + e.Holder.Doing + ")"
	}
	return fmt.Sprintf("process %d on %s is at work here%s since %s; wait for it or stop it",
		e.Holder.PID, e.Holder.Host, doing, e.Holder.Since.Format(time.DateTime))
}

// Lock is a lock that this process holds.
type Lock struct{ f *os.File }

// patience is how long Acquire tries: a look by Look may hold the lock for an instant.
const patience = time.Second

// Acquire takes the lock file at path, making it when it is not there. When another
// process keeps holding it the error is a *HeldError.
func Acquire(path string) (*Lock, error) { return AcquireFor(path, "") }

// AcquireFor is Acquire by a process that says what it is doing.
func AcquireFor(path, doing string) (*Lock, error) {
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
			holder, _ := Look(path)
			return nil, &HeldError{holder}
		}
	}
}

// try locks the file at path once. EWOULDBLOCK says that another process holds it.
func try(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		return nil, fmt.Errorf("%s cannot be locked: %w", path, err)
	}
	// The file may have been removed, folder and all, by the process that held it.
	mine, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
	}
	_ = f.Close()
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil, unix.EWOULDBLOCK
	}
	return nil, err
}

// sign writes into a locked file who holds it.
func sign(f *os.File, doing string) (*Lock, error) {
	host, _ := os.Hostname()
	text, _ := json.Marshal(Holder{PID: os.Getpid(), Host: host, Since: time.Now().Round(0), Doing: doing})
	text = append(text, '\n')
	_, err := f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text))) // afterwards: on a full disk the room it has is all there is
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// Release lets the lock go, and takes away who held it: a name that stays is that of a process
// that ended without a word.
func (l *Lock) Release() error {
	_, err := l.f.WriteAt([]byte("{}"+strings.Repeat(" ", 61)+"\n"), 0)
	return errors.Join(err, l.f.Truncate(64), l.f.Close())
}

// Look says whether a process holds the lock file at path, and which. Where none does, it says
// which one held it last and ended without releasing it, if one did. It disturbs nobody. A file
// that is not there is held by nobody.
func Look(path string) (Holder, bool) {
	f, err := os.Open(path)
	if err != nil {
		return Holder{}, false
	}
	defer func() { _ = f.Close() }()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return read(f), false
	}
	return read(f), true
}

// read reads who holds the lock, as well as it can.
func read(f *os.File) (h Holder) {
	text := make([]byte, 1024)
	n, _ := f.ReadAt(text, 0)
	_ = json.Unmarshal(text[:n], &h)
	return h
}
