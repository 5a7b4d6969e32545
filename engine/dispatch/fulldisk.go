package dispatch

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cohort/engine/journal"
	"cohort/engine/ledger"
)

// What a start needs of a disk: the log's reserve, and for each message that is left its
// records in the log and its row in the report, generously.
const (
	roomToStart    = 20 << 20
	roomPerMessage = 128
)

// broken makes the error of a log that cannot be written. For a full disk it names the disk and
// the room that the run needs to go on.
func broken(p *ledger.Log, cause error) *Stopped {
	code, why := "log_unwritable", "the progress log cannot be written"
	if errors.Is(cause, journal.ErrFull) {
		_, left := p.Ledger.Tally()
		need := roomToStart + left*roomPerMessage
		code, why = "full_disk", fmt.Sprintf("%s: the disk that holds %s is full%s; make at least %d MB free there and go on", why, filepath.Clean(p.Dir), freeOn(p.Dir), (need+1e6-1)/1e6)
	}
	return &Stopped{Code: code, Why: why, Cause: cause, Halt: true}
}

// freeOn describes the size of a folder's disk and its free room. It is empty when the system
// does not tell.
func freeOn(dir string) string {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return ""
	}
	return fmt.Sprintf(" (%d of its %d MB are free)", fs.Bavail*uint64(fs.Bsize)/1e6, fs.Blocks*uint64(fs.Bsize)/1e6)
}
