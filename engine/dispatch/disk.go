package dispatch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"cohort/engine/journal"
	"cohort/engine/ledger"
)

// diskErrors are those of a disk that fails, is gone, or is read-only, as Linux makes it after an error.
var diskErrors = []syscall.Errno{syscall.EIO, syscall.EROFS, syscall.ENXIO, syscall.ENODEV, syscall.ESTALE, syscall.EUCLEAN}

// isDiskFailure reports whether an error comes from the disk. The run can go on once the
// disk works, and cohort has no defect.
func isDiskFailure(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(diskErrors, errno)
}

// What a start needs of a disk, generously: the log's reserve and, for each message that is
// left, its records in the log and its row in the report.
const (
	roomToStart    = 20 << 20
	roomPerMessage = 128
)

// logStopped is the error of a log that cannot be written. For a full disk it names the disk
// and the room that the run needs.
func logStopped(p *ledger.Log, cause error) *Stopped {
	code, why := "log_unwritable", "the progress log cannot be written"
	if errors.Is(cause, journal.ErrFull) {
		_, left := p.Ledger.Tally()
		need := (roomToStart + left*roomPerMessage + 1e6 - 1) / 1e6
		code = "full_disk"
		why = fmt.Sprintf("%s: the disk that holds %s is full%s; make at least %d MB free there and go on",
			why, filepath.Clean(p.Dir()), freeOn(p.Dir()), need)
	}
	return &Stopped{Code: code, Why: why, Cause: cause, Halt: true}
}

// freeOn describes the free room of a folder's disk. It is empty when the system does not tell.
func freeOn(dir string) string {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return ""
	}
	return fmt.Sprintf(" (%d of its %d MB are free)", fs.Bavail*uint64(fs.Bsize)/1e6, fs.Blocks*uint64(fs.Bsize)/1e6)
}
