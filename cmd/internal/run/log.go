package run

import (
	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// openRun opens the plan of the run in a folder, to look at it.
func OpenRun(path string) (dir string, plan *plan.Plan, err error) {
	if dir, _, err = runfolder.Find(path); err != nil {
		return dir, nil, err
	}
	plan, err = runfolder.Plan(dir)
	return dir, plan, err
}

// asPlanned refuses a campaign file that is no longer what the run was planned with.
func (s *Runner) AsPlanned(plan *plan.Plan) error {
	err := campaign.Compare(plan.Frozen, s.Frozen)
	if err == nil {
		return nil
	}
	if changed := runfolder.PlanChanged(s.Folder.Path, plan); changed != nil {
		return changed
	}
	return refusal.New("setting_changed", "cause", err)
}
