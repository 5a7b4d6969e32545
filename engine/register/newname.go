package register

import (
	"fmt"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/ingest/person"
)

// NewCampaignName describes the effect of a new campaign name: it would send again to the people of this run.
func NewCampaignName(e Entry) string {
	if plan, err := plan.Open(e.Folder); err == nil {
		defer func() { _ = plan.Close() }()
		if ledger, err := ledger.Read(e.Folder, plan); err == nil && plan.RunID == e.RunID {
			if f := plan.FollowUp; f != nil {
				return followUpAgain(f, plan.Campaign)
			}
			fates := ledger.Account().Fates
			return fmt.Sprintf("a new campaign name would send again to the %s people this run has reached; with --rest-of %s it sends only to the others",
				refusal.Thousands(fates[person.Accepted]+fates[person.InDoubt]), plan.Campaign)
		}
	}
	if e.People > 0 {
		return fmt.Sprintf("a new campaign name would send again to the people this run has reached, %s or more", refusal.Thousands(e.People))
	}
	return "a new campaign name would send again to the people this run has reached, and nobody knows how many they are"
}

// followUpAgain returns the command that sends other words to the rest of a follow-up: the people without a message.
func followUpAgain(f *plan.FollowUp, campaign string) string {
	words := []string{"followup", f.Parent.Folder, "--rule", f.Rule}
	if kind, value, is := strings.Cut(f.Rule, ":"); is {
		words = []string{"followup", f.Parent.Folder, "--" + kind, value, "-c", "FILE", "--reason", "why"}
	}
	return "the run is a follow-up. To send other words to its people who have not been sent to, give its campaign file a new campaign name, and call " +
		refusal.Command(append(words, "--rest-of", campaign)...)
}
