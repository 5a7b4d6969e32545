package dispatch

import (
	"errors"
	"slices"
	"syscall"
)

// diskErrors are what the kernel says of a disk that fails, has gone, or has become
// read-only, as Linux makes it after an error of its own.
var diskErrors = []syscall.Errno{syscall.EIO, syscall.EROFS, syscall.ENXIO, syscall.ENODEV, syscall.ESTALE, syscall.EUCLEAN}

// diskFailed reports whether an error is the disk's: the run can go on once the disk is well,
// and nothing is wrong with cohort.
func diskFailed(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(diskErrors, errno)
}
