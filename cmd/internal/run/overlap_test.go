package run

import (
	"testing"

	"cohort/cmd/internal/earlier"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
)

// A run of another campaign that begins while one is prepared is not overlooked.
func TestARunThatBeginsMeanwhileIsNotOverlooked(t *testing.T) {
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
		s := &Runner{compared: &earlier.Overlaps{}}
		for starts := range 2 { // a start that was refused counts for nothing
			if err := s.uncompared(r, plan, ledger.Facts{Starts: starts}); (err != nil) != c.refused {
				t.Errorf("%s, after %d starts: %v", sentence, starts, err)
			}
		}
		s.compared.Looked = []string{"other-000"}
		if err := s.uncompared(r, plan, ledger.Facts{}); err != nil {
			t.Errorf("%s, looked at: %v", sentence, err)
		}
		_ = r.Close()
	}
}
