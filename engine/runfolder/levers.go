package runfolder

import (
	"errors"

	"golang.org/x/sys/unix"

	"cohort/engine/journal"
	"cohort/engine/refusal"
)

// roomOr says of an error that comes of a full disk what to do, and of another what is
// given.
func RoomOr(err, other error, folder string) error {
	if errors.Is(err, journal.ErrFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return refusal.New("no_room_to_record", "cause", err, "folder", folder)
	}
	return other
}
