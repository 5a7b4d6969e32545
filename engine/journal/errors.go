package journal

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrFull says that the disk is full: Commit refuses records, Append still takes
	// them while the reserve lasts. From Open: there is no room for the reserve.
	ErrFull = errors.New("journal: the disk is full")

	// ErrPoisoned says that an operation failed and the log is dead for this process.
	// What was acknowledged is safe; reopen the log in a new process to go on.
	ErrPoisoned = errors.New("journal: an earlier error stopped the log")

	// ErrNewer says that the log was written by a newer program, in a version of the
	// format which the error names.
	ErrNewer = errors.New("journal: the format is newer than this program")

	// ErrOtherRun says that a segment belongs to another run.
	ErrOtherRun = errors.New("journal: the segment belongs to another run")

	// ErrTooLarge says that a frame would be larger than 16 MiB. Nothing was written.
	ErrTooLarge = errors.New("journal: the record is too large")

	// ErrBadType says that the caller used type 0. Nothing was written.
	ErrBadType = errors.New("journal: 0 is no record type")

	// ErrClosed says that the log was closed. The record was not taken.
	ErrClosed = errors.New("journal: the log is closed")
)

// What can be wrong with bytes, as the cause of a CorruptError.
var (
	errMagic   = errors.New("not a segment: the magic is wrong")
	errHeader  = errors.New("the checksum of the segment's header is wrong")
	errShort   = errors.New("the file ends too early")
	errMissing = errors.New("the segment is missing")
	errName    = errors.New("not a name of a segment")
	errNumber  = errors.New("the segment's number is not that of its file name")
	errSeal    = errors.New("the seal on the segment before is not possible")
	errChain   = errors.New("the sealed bytes do not match the chain value in the next segment")
	errFirst   = errors.New("the first sequence number does not follow the segment before")
	errLength  = errors.New("the frame's length is not possible")
	errSum     = errors.New("the frame's checksum is wrong")
	errSeq     = errors.New("the frame's sequence number is not the next one")
	errGroup   = errors.New("the frame belongs to no group that could be here")
	errPlace   = errors.New("the record that should be there is elsewhere")
	errLater   = errors.New("a group that was written later follows, so this is no torn tail")
	errWhole   = errors.New("records of the same group follow and no sector between is missing, so this is no torn tail")
	errMurky   = errors.New("the bytes that follow are too many to be judged a torn tail")
)

// CorruptError reports damage that is not a torn tail. The log must not be used.
type CorruptError struct {
	File   string // the path of the segment
	Offset int64  // where the damage shows, in bytes from the start of the file
	Err    error  // what is wrong
}

// Error says which file is damaged, where and how.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s is damaged at byte %d: %v", e.File, e.Offset, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

// outOfRoom reports whether the error means that there is no room left, on the disk or
// in the user's share of it.
func outOfRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
