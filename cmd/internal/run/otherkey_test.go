package run

import (
	"testing"

	"cohort/engine/campaign"
	"cohort/engine/register"
)

// Another key and another address are the same service where both are production, or where the
// addresses lead to the same machine.
func TestWhatMayBeTheSameServiceUnderAnotherKey(t *testing.T) {
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
