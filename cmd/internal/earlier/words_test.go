package earlier

import (
	"strings"
	"testing"

	"cohort/engine/campaign"
)

// Two messages are the same when a person reads the same in both.
func TestSameMessages(t *testing.T) {
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
