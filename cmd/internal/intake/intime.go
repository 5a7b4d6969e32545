package intake

import (
	"time"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
)

// inTime refuses a campaign whose last day has passed.
func InTime(c *campaign.Campaign) error {
	if until := c.Pace.Until; !until.IsZero() && !time.Now().Before(until) {
		return refusal.New("campaign_is_over", "last_day", until.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	return nil
}
