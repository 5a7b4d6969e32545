package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// errLost says that there is no log, and that there was one.
var errLost = errors.New("the run was begun and its progress log is missing or empty")

// IsDamage reports whether an error means that the log or the second copy is damaged or lost, so that recovery may
// replace it. A file that cannot be read, or only by another program, is no damage.
func IsDamage(err error) bool {
	damage := (*journal.CorruptError)(nil)
	return errors.As(err, &damage) || errors.Is(err, ErrIllegal) || errors.Is(err, record.ErrLength) || errors.Is(err, errLost)
}

// LostLog returns an error when there was a log and it is missing. There was one if the second copy exists, which is
// made after the log, or if a recovery was cut short.
func LostLog(dir string, plan *plan.Plan) error {
	begun := func(folder string) bool {
		segments, err := journal.Segments(filepath.Join(dir, folder), plan.Run, journal.Options{})
		return err != nil || len(segments) > 0 // reading it will show the error
	}
	if begun(LogFolder) || !begun(NewLogFolder) && !begun(RevisionsFolder) {
		return nil
	}
	return errLost
}

// AsideName returns a name that is not taken, for a folder that is put aside.
func AsideName(dir, folder string, at time.Time) string {
	name := folder + ".lost-" + at.UTC().Format("20060102T150405Z")
	free := name
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(dir, free)); errors.Is(err, fs.ErrNotExist) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, i)
	}
}

// Rename renames something in a folder, durably.
func Rename(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return err
	}
	return disk.SyncFolder(dir)
}
