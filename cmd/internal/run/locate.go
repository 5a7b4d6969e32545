package run

import (
	"cmp"
	"path/filepath"

	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// place is a run's folder, and what the register knows about the run.
type place struct {
	folder string
	begun  bool             // the run may have sent something
	again  bool             // it was begun, its folder is lost, and a person has allowed to begin again
	older  bool             // it was begun with the references of plan version 1 or 2, and a new plan keeps them
	others []register.Entry // the other runs of the campaign on the service
}

// locate asks the register for the run's folder, and for the other runs of the campaign.
func (r *Runner) locate() (at place, err error) {
	at.folder = cmp.Or(r.RunFolder, filepath.Join(r.Runs, r.Campaign.Name+"-"+r.Id.Short()))
	if err := r.adopt(at.folder); err != nil {
		return at, err
	}
	err = r.inRegister(func(reg *register.Register) error {
		at.others = reg.Others(r.Campaign.Name, r.Service, r.Id.String(), r.followUp.header())
		entry, begun := reg.Run(r.Id.String())
		if at.begun = begun; begun {
			return r.locateBegun(&at, entry)
		}
		if r.followUp == nil && r.Call.SendAgain == "" {
			if err := notFollowUps(at.others); err != nil {
				return err
			}
		}
		if r.Call.NewCohort || r.Call.SendAgain != "" {
			return nil
		}
		// If there is a plan, it says which runs it takes into account.
		return register.Admit(register.Standing{Folder: at.folder, Rivals: at.others, Planned: earlierIn(at.folder)})
	})
	return at, err
}

// locateBegun finds the folder of a run that was begun.
func (r *Runner) locateBegun(at *place, entry register.Entry) error {
	gone := func(code string) error {
		return refusal.New(code, "host", entry.Host, "folder", entry.Folder, "command", refusal.Command("resume")+" <where it is now>", "new_name", register.NewCampaignName(entry))
	}
	at.older = !entry.Keyed
	switch {
	case r.holds(entry.Folder):
		if r.RunFolder != "" && !runfolder.Same(r.RunFolder, entry.Folder) {
			return refusal.New("run_in_another_folder", "folder", entry.Folder, "command", refusal.Command("resume", entry.Folder))
		}
		at.folder = entry.Folder
		return nil
	case r.holds(at.folder): // it was moved
		return nil
	case r.Campaign.NHSApp != nil: // it remembers no references, so it would take every message again
		return gone("folder_gone_nhsapp")
	case r.Call.SendAgain != "":
		const one = string(campaign.Batches) // or the only endpoint, as the NHS App's
		if was := cmp.Or(entry.Endpoint, one); was != cmp.Or(string(r.Campaign.Notify.Endpoint), one) {
			return refusal.New("endpoint_changed", "host", entry.Host, "endpoint", was)
		}
		at.again = true
		return nil
	}
	return gone("folder_gone")
}

// holds reports whether a folder holds this run.
func (r *Runner) holds(folder string) bool {
	c, err := runfolder.ReadCall(folder)
	return err == nil && c.RunID == r.Call.RunID
}

// earlierIn lists the runs that the plan in a folder takes into account.
func earlierIn(folder string) []plan.EarlierRun {
	plan, err := plan.Open(folder)
	if err != nil {
		return nil
	}
	defer func() { _ = plan.Close() }()
	return plan.Earlier
}
