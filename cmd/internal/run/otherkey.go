package run

import (
	"time"

	"cohort/engine/campaign"
	"cohort/engine/register"
)

// mayBeSame lists those of the runs that may have gone to this send's service, though its
// address and the API key are others: both are production, or their addresses lead to the same
// machine. Where one profile is test and the other production they are two services.
func (s *Runner) mayBeSame(runs []register.Entry) []register.Entry {
	var same []register.Entry
	for _, e := range runs {
		mine := s.Campaign.Profile
		was := campaign.Profile(e.Profile)
		differ := was != campaign.AnyNumber && mine != campaign.AnyNumber && was != mine
		if was == campaign.Production && mine == campaign.Production || !differ && register.SameMachine(register.AddressOf(e.Service), register.AddressOf(s.Service)) {
			same = append(same, e)
		}
	}
	return same
}

// sayOtherKeys says which runs of the campaign went to another service with other API keys.
func (s *Runner) sayOtherKeys(runs []register.Entry) {
	for _, e := range runs {
		s.Log.Warn("this campaign was sent to another address with another API key; if both are the same service, its people are sent to twice: then stop this run and go on with that one",
			"was", register.AddressOf(e.Service), "is", register.AddressOf(s.Service), "run", e.Folder, "requests", e.Attempts, "last_at_work", e.At.Format(time.DateOnly))
	}
}
