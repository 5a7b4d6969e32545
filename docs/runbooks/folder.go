package runbooks

import "strings"

// In has the commands in a runbook's text name a run's folder and its campaign file, ready to copy. Both are quoted for a
// shell.
func In(text, dir, campaign string) string {
	return strings.NewReplacer("OTHER-DIR", "OTHER-DIR", "DIR", dir, "campaign.yaml", campaign).Replace(text)
}
