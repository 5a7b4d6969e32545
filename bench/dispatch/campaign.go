package dispatch

import (
	_ "embed"
	"path/filepath"
	"strconv"
	"strings"

	"cohort/engine/campaign"
)

//go:embed campaign.yaml
var campaignText string

// campaignFor is the text of the campaign for a service, with at most so many messages a
// request.
func campaignFor(address string, messages int) []byte {
	return []byte(strings.NewReplacer("ADDRESS", address, "MESSAGES", strconv.Itoa(messages)).Replace(campaignText))
}

// parsed is the same as it is understood in a folder, which has the secrets.
func parsed(folder, address string, messages int) (*campaign.Campaign, error) {
	return campaign.Parse(campaignFor(address, messages), filepath.Join(folder, "campaign.yaml"))
}
