package intake

import (
	"strings"
	"testing"

	"cohort/engine/campaign"
	"cohort/ingest"
)

func TestMixtureOfNumberRanges(t *testing.T) {
	for _, test := range []struct {
		sentence string
		profile  campaign.Profile
		numbers  campaign.Numbers
		test     int64
		others   int64
		says     string
		reads    ingest.Range
	}{
		{"no profile and one range", campaign.AnyNumber, "", 5, 0, "", ingest.AnyNumber},
		{"no profile and both", campaign.AnyNumber, "", 5, 1, "set profile", ingest.AnyNumber},
		{"a profile keeps to its range", campaign.Test, "", 5, 0, "", ingest.TestNumbers},
		{"the other too", campaign.Production, "", 0, 5, "", ingest.RealNumbers},
		{"the override, not needed", campaign.Production, "any", 0, 5, "", ingest.AnyNumber},
		{"the override, and test patients in production", campaign.Production, "any", 5, 0, "profile production refuses", ingest.AnyNumber},
		{"the override, and people in a test", campaign.Test, "any", 0, 5, "profile test refuses", ingest.AnyNumber},
		{"the override, and both", campaign.Test, "any", 5, 5, "cohort.numbers takes both", ingest.AnyNumber},
		{"the override of nothing, and both", campaign.AnyNumber, "any", 5, 5, "cohort.numbers takes both", ingest.AnyNumber},
		{"an empty cohort", campaign.Test, "any", 0, 0, "", ingest.AnyNumber},
	} {
		c := &campaign.Campaign{Profile: test.profile, Cohort: campaign.Cohort{Numbers: test.numbers}}
		got := mixture(c, ingest.Summary{Sendable: test.test + test.others, Test: test.test})
		if (got == "") != (test.says == "") || !strings.Contains(got, test.says) {
			t.Errorf("%s: %q", test.sentence, got)
		}
		if got := numberRange(c); got != test.reads {
			t.Errorf("%s: the range is %v", test.sentence, got)
		}
	}
}
