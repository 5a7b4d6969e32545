package runfolder

import (
	"errors"
	"path/filepath"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// unsound says of an error in reading a run's log what it means and what to do.
func Unsound(dir string, err error) error {
	if changed := (*plan.ChangedError)(nil); errors.As(err, &changed) {
		return refusal.New("plan_changed", "file", filepath.Join(dir, "plan.json"), "cause", changed)
	}
	if ledger.IsDamage(err) {
		return refusal.New("log_damaged", "cause", err, "command", refusal.Command("recover", dir))
	}
	return refusal.New("log_unreadable", "cause", err)
}

// planChanged refuses a plan.json that is not the one that the run's log was begun with. What
// differs from the campaign file then says nothing of the campaign file.
func PlanChanged(dir string, planned *plan.Plan) error {
	_, err := ledger.Read(dir, planned)
	if changed := (*plan.ChangedError)(nil); errors.As(err, &changed) {
		return Unsound(dir, err)
	}
	return nil
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
