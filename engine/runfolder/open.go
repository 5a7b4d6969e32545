package runfolder

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// Plan opens the sealed plan of a folder for reading.
func Plan(path string) (*plan.Plan, error) {
	planned, err := plan.Open(path)
	if errors.Is(err, plan.ErrNone) {
		return nil, refusal.New("plan_missing", "folder", path, "command", refusal.Command("resume", path))
	}
	if err != nil {
		return nil, Damaged(err)
	}
	return planned, nil
}

func Ledger(path string, plan *plan.Plan) (*ledger.Ledger, error) {
	folded, err := ledger.Read(path, plan)
	if err != nil {
		return nil, Unsound(path, err)
	}
	return folded, nil
}

// Fold is Ledger for a start, which opens the log later.
func Fold(path string, plan *plan.Plan) (*ledger.Folded, error) {
	folded, err := ledger.Fold(path, plan)
	if err != nil {
		return nil, Unsound(path, err)
	}
	return folded, nil
}

// OpenTrail opens the outcomes of a folder's messages, and folds its progress log.
func OpenTrail(path string, plan *plan.Plan) (*outcome.Reader, *ledger.Ledger, error) {
	folded, err := Ledger(path, plan)
	if err != nil {
		return nil, nil, err
	}
	reader, err := outcome.Open(path, plan, folded)
	return reader, folded, err
}

// PlanChanged refuses a plan.json that is not the one that the run's log was begun with. A
// difference from the campaign file then means nothing.
func PlanChanged(path string, planned *plan.Plan) error {
	if _, err := ledger.Read(path, planned); errors.As(err, new(*plan.ChangedError)) {
		return Unsound(path, err)
	}
	return nil
}

// Unsound turns an error of reading a run's log into a refusal.
func Unsound(path string, err error) error {
	if changed := (*plan.ChangedError)(nil); errors.As(err, &changed) {
		return refusal.New("plan_changed", "file", filepath.Join(path, plan.PlanFile), "cause", changed)
	}
	if errors.Is(err, plan.ErrDamaged) || errors.Is(err, disk.ErrNewer) {
		return Damaged(err)
	}
	if ledger.IsDamage(err) {
		return refusal.New("log_damaged", "cause", err, "command", refusal.Command("recover", path))
	}
	return refusal.New("log_unreadable", "cause", err)
}

// Damaged refuses a folder with a damaged plan or spool, or one that a newer version of cohort wrote.
func Damaged(err error) error {
	if errors.Is(err, disk.ErrNewer) {
		return refusal.New("format_newer", "cause", err)
	}
	return refusal.New("folder_damaged", "cause", err)
}

// RoomOr refuses an error of writing to a folder: with what to do about a full disk, or else with other.
func RoomOr(err, other error, path string) error {
	if errors.Is(err, journal.ErrFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return refusal.New("no_room_to_record", "cause", err, "folder", path)
	}
	return other
}

// WithLog opens the progress log of the run in dir for writing, and closes it after use.
func WithLog(dir string, plan *plan.Plan, use func(*ledger.Log) error) error {
	log, err := ledger.Open(dir, plan)
	if err != nil {
		return RoomOr(err, Unsound(dir, err), dir)
	}
	err = use(log)
	if e := log.Close(); err == nil && e != nil {
		err = refusal.New("log_unwritable", "cause", e)
	}
	return err
}
