package runbooks

import (
	"strings"

	"cohort/engine/refusal"
)

// In has the commands in a runbook's text name a run's folder and its campaign file, ready to copy.
func In(text, dir, campaign string) string {
	return strings.NewReplacer("DIR", refusal.ShellWord(dir), "campaign.yaml", refusal.ShellWord(campaign)).Replace(text)
}
