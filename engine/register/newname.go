package register

import (
	"fmt"

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
