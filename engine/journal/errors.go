package journal

import (
	"errors"
	"fmt"
	"syscall"

	"cohort/engine/disk"
)

// The errors of a log, beside CorruptError and those of the filesystem.
var (
	// ErrFull means that Commit refuses records, and that Append takes them while the reserve lasts. From Open it means
	// that the reserve has no room.
	ErrFull = errors.New("journal: the disk is full")
	// ErrPoisoned means that an operation failed and this process cannot use the log any more. Acknowledged records are
	// safe. Reopen the log in a new process to go on.
	ErrPoisoned = errors.New("journal: an earlier error stopped the log")

	ErrNewer    = fmt.Errorf("journal: %w", disk.ErrNewer) // wrapped with the version of the format
	ErrOtherRun = errors.New("journal: the segment belongs to another run")
	ErrChanged  = errors.New("journal: the log was written to after it was read") // it can be replayed again
	ErrTooLarge = errors.New("journal: the record is too large")                  // above 16 MiB; nothing was written
	ErrBadType  = errors.New("journal: 0 is not a record type")                   // nothing was written
	ErrClosed   = errors.New("journal: the log is closed")                        // the record was not taken
)

// The causes of a CorruptError.
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
	errLater   = errors.New("a group that was written later follows, so this is not a torn tail")
	errWhole   = errors.New("records of the same group follow and no sector before them is missing, so this is not a torn tail")
	errMurky   = errors.New("too many bytes follow to tell whether this is a torn tail")
)

// CorruptError means damage that is not a torn tail. The log must not be used.
type CorruptError struct {
	File   string // the path of the segment
	Offset int64  // where the damage shows, in bytes from the start of the file
	Err    error  // what is wrong
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s is damaged at byte %d: %v", e.File, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// outOfRoom reports whether the disk, or the user's quota, has no room left.
func outOfRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
