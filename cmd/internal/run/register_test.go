package run

import (
	"log/slog"
	"testing"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// A start that fails early knows of fewer requests than the register. Were it to say so
// there, an older copy of the folder would be believed from then on.
func TestWhatTheRegisterKnowsNeverGoesBack(t *testing.T) {
	dir := t.TempDir()
	s := &Runner{Campaign: &campaign.Campaign{Register: dir + "/register"}, Folder: &runfolder.Folder{Path: dir}, Log: slog.New(slog.DiscardHandler)}
	plan := &plan.Plan{Header: plan.Header{RunID: "0123456789abcdef0123456789abcdef", Campaign: "c", Service: "s"}}
	look := func() register.Entry {
		r, err := register.Open(s.Campaign.Register)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		e, _ := r.Run(plan.RunID)
		return e
	}
	s.note(plan, register.Begun, dispatch.Summary{Attempts: 5, Revisions: 2})
	if err := register.Reached(s.Campaign.Register, plan.RunID, 9, 3); err != nil {
		t.Fatal(err)
	}
	s.note(plan, register.Begun, dispatch.Summary{})
	if e := look(); e.Attempts != 9 || e.Revisions != 3 || e.State != register.Begun {
		t.Errorf("%+v", e)
	}
	s.note(plan, register.Finished, dispatch.Summary{Attempts: 12, Revisions: 4})
	s.note(plan, register.Begun, dispatch.Summary{Attempts: 3})
	if e := look(); e.Attempts != 12 || e.Revisions != 4 || e.State != register.Finished {
		t.Errorf("%+v", e)
	}
}
