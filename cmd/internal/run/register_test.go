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

// A start that fails early knows of fewer requests than the register. It must not lower the
// register's count: later an older copy of the folder would pass as the latest.
func TestRegisterEntriesNeverGoBack(t *testing.T) {
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

// Another key and another address are the same service where both are production, or where the
// addresses lead to the same machine.
func TestSameServiceUnderAnotherKey(t *testing.T) {
	const here, loopback, other = "http://127.0.0.1:1/comms", "http://127.0.0.2:2/comms", "https://192.0.2.1/comms"
	for name, c := range map[string]struct {
		was, is     campaign.Profile
		wasAt, isAt string
		mayBe       bool
	}{
		"production, twice":                    {campaign.Production, campaign.Production, here, other, true},
		"test, then production":                {campaign.Test, campaign.Production, here, loopback, false},
		"no profile, another machine":          {"", "", here, other, false},
		"no profile, the same machine":         {"", "", here, loopback, true},
		"an older version's run, then another": {"", campaign.Production, here, loopback, true},
		"test, the same host":                  {campaign.Test, campaign.Test, other, other + "/x", true},
	} {
		s := &Runner{Campaign: &campaign.Campaign{Profile: c.is}, Service: "notify " + c.isAt}
		got := s.mayBeSame([]register.Entry{{RunID: "a", Service: "notify " + c.wasAt, Profile: string(c.was)}})
		if len(got) > 0 != c.mayBe {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The preparation finds a run of another campaign that begins meanwhile.
func TestARunThatBeginsMeanwhileIsFound(t *testing.T) {
	plan := &plan.Plan{Header: plan.Header{RunID: "mine-0000", Campaign: "mine", Service: "notify https://a", Template: "w"}}
	for sentence, c := range map[string]struct {
		other   register.Entry
		refused bool
	}{
		"the same words":       {register.Entry{Campaign: "other", Service: "notify https://b", Templates: []string{"v", "w"}}, true},
		"other words":          {register.Entry{Campaign: "other", Service: "notify https://b", Templates: []string{"v"}}, false},
		"another kind of sink": {register.Entry{Campaign: "other", Service: "nhsapp https://b", Templates: []string{"w"}}, false},
		"a simulator":          {register.Entry{Campaign: "other", Service: "notify https://b", Simulator: true, Templates: []string{"w"}}, false},
		"the same campaign":    {register.Entry{Campaign: "mine", Service: "notify https://b", Templates: []string{"w"}}, false},
	} {
		r, err := register.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c.other.RunID, c.other.State = "other-000", register.Begun
		if err := r.Record(c.other); err != nil {
			t.Fatal(err)
		}
		s := &start{run: &Runner{}, plan: plan, compared: &register.Overlaps{}}
		for starts := range 2 { // a start that was refused counts for nothing
			s.found = register.Facts{Starts: starts}
			if runs := s.meanwhile(r); len(runs) > 0 != c.refused {
				t.Errorf("%s, after %d starts: %v", sentence, starts, runs)
			}
		}
		s.compared.Looked = []string{"other-000"}
		if runs := s.meanwhile(r); runs != nil {
			t.Errorf("%s, looked at: %v", sentence, runs)
		}
		_ = r.Close()
	}
}
