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

// IsDamage reports whether an error of ReadLedger, OpenProgressLog or TakeSurvey means
// that the log or the second copy of the revisions is damaged or lost, so that Recover may put
// another in its place; and not that it could not be read, or by another program alone.
func IsDamage(err error) bool {
	damage := (*journal.CorruptError)(nil)
	return errors.As(err, &damage) || errors.Is(err, ErrIllegal) || errors.Is(err, record.ErrShort) || errors.Is(err, ErrLost)
}

// ErrLost says that there is no log, and that there was one.
var ErrLost = errors.New("the run was begun and its progress log is missing or empty")

// lostLog says whether a log is missing that was there: the second copy of the revisions
// is begun after it, and a recovery that was cut short has put it aside.
func LostLog(dir string, plan *plan.Plan) error {
	begun := func(folder string) bool {
		segments, err := journal.Segments(filepath.Join(dir, folder), plan.Run, journal.Options{})
		return err != nil || len(segments) > 0 // what is wrong with it shows when it is read
	}
	if begun(LogFolder) || !begun(NewLogFolder) && !begun(RevisionsFolder) {
		return nil
	}
	return ErrLost
}

// freeName is a name that nothing in a folder has yet.
func FreeName(dir, name string) string {
	free := name
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(dir, free)); errors.Is(err, fs.ErrNotExist) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, i)
	}
}

func Rename(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return err
	}
	return disk.SyncFolder(dir)
}

func StampOf(at time.Time) string { return at.UTC().Format("20060102T150405Z") }
