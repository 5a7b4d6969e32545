package run

import (
	"strings"
	"testing"

	"cohort/engine/campaign"
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
		s := &Runner{compared: &overlaps{}}
		for starts := range 2 { // a start that was refused counts for nothing
			if err := s.uncompared(r, plan, &ledger.Ledger{Starts: starts}); (err != nil) != c.refused {
				t.Errorf("%s, after %d starts: %v", sentence, starts, err)
			}
		}
		s.compared.looked = []string{"other-000"}
		if err := s.uncompared(r, plan, &ledger.Ledger{}); err != nil {
			t.Errorf("%s, looked at: %v", sentence, err)
		}
		_ = r.Close()
	}
}

// Two messages are the same when a person reads the same in both.
func TestWhatMakesAMessageTheSame(t *testing.T) {
	load := func(text string) *campaign.Campaign {
		t.Helper()
		c, err := campaign.Parse([]byte(text), t.TempDir()+"/campaign.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const file = "campaign: c\npersonalisation: {a: \"((x)) and ((y))\"}\nsink: {file: {mesh: {routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1, from: X, to: Y}}}\n"
	notify := func(more string) string {
		return "campaign: c\npersonalisation: {a: \"((x)) and ((y))\"}\nsink:\n  notify:\n    base_url: https://a\n    token_url: https://a\n    api_key_env: K\n    key_id: k\n    private_key_file: p\n    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1\n" + more
	}
	plain := strings.Replace(file, "((x)) and ((y))", "Hello", 1)
	digest := func(mine, its string, columns []string, values ...string) (own, other uint64) {
		t.Helper()
		w, err := campaignWords(load(mine))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := campaignWords(load(its))
		if err != nil {
			t.Fatal(err)
		}
		own = w.messages(w.templates, []string{"x", "y"})(0, []string{"1", "2"})
		return own, w.messages(theirs.templates, columns)(0, values)
	}
	for sentence, c := range map[string]struct {
		mine, its string
		columns   []string
		values    []string
		same      bool
	}{
		"the same":                           {file, file, []string{"x", "y"}, []string{"1", "2"}, true},
		"a column that the words do not use": {file, file, []string{"w", "x", "y"}, []string{"0", "1", "2"}, true},
		"another value":                      {file, file, []string{"x", "y"}, []string{"1", "3"}, false},
		"values that run together":           {file, file, []string{"x", "y"}, []string{"12", ""}, false},
		"other words":                        {file, strings.Replace(file, " and ", " or ", 1), []string{"x", "y"}, []string{"1", "2"}, false},
		"another invoice":                    {notify(""), notify("    billing_reference: \"((z))\"\n"), []string{"x", "y", "z"}, []string{"1", "2", "3"}, true},
		"words that use no column":           {plain, plain, []string{"z"}, []string{"3"}, true},
		"an address of the campaign's own":   {notify(""), notify("    contact_details: {email: \"((z))\"}\n"), []string{"x", "y", "z"}, []string{"1", "2", "3"}, false},
	} {
		if own, other := digest(c.mine, c.its, c.columns, c.values...); (own == other) != c.same || own == 0 {
			t.Errorf("%s: %x and %x", sentence, own, other)
		}
	}
}
