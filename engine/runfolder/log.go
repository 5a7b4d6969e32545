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
		return refusal.New("%s has changed since this run began: %w. Nothing more is sent from here. Bring the file back from a copy of the folder; the log is not at fault", filepath.Join(dir, "plan.json"), changed)
	}
	if ledger.IsDamage(err) {
		return refusal.New("the run's log is damaged: %w; bring back the folder as it was last at work, or go on without the log: %s", err, refusal.Command("recover", dir))
	}
	return refusal.New("the run's log cannot be read: %w", err)
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
