package intake

import (
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks"
)

// FollowUpColumns lists the columns that the follow-ups of a campaign need, and the follow-ups of those. The spool
// of the first run carries them for all.
func FollowUpColumns(c *campaign.Campaign) ([]string, error) {
	var columns []string
	err := addFollowUps(c, &columns, nil)
	slices.Sort(columns)
	return slices.Compact(columns), err
}

func addFollowUps(c *campaign.Campaign, columns *[]string, above []string) error {
	above = append(slices.Clip(above), c.Path)
	for i, rule := range c.FollowUps {
		if rule.NotAfter != "" {
			*columns = append(*columns, rule.NotAfter)
		}
		if slices.Contains(above, rule.By) {
			continue // a circle of rules needs no more
		}
		by, err := LoadCampaign(rule.By)
		if err != nil {
			return refusal.New("followup_campaign_unusable", "cause", err, "rule", c.FollowUps[i].Name)
		}
		needs, err := ColumnsOf(by)
		if err != nil {
			return refusal.New("followup_campaign_unusable", "cause", err, "rule", c.FollowUps[i].Name)
		}
		*columns = append(*columns, needs...)
		if err := addFollowUps(by, columns, above); err != nil {
			return err
		}
	}
	return nil
}

// ColumnsOf lists the columns that a campaign needs in a cohort file beside the NHS number, when the file is made for it.
func ColumnsOf(c *campaign.Campaign) ([]string, error) {
	fields, err := sinks.FieldsOf(c)
	if err != nil {
		return nil, err
	}
	fields = slices.Concat(fields, c.Cohort.Required, c.KeepColumns)
	for _, route := range c.Routes {
		for _, condition := range route.When {
			fields = append(fields, condition.Column)
		}
	}
	if c.Reach != nil {
		fields = append(fields, c.Reach.Practice)
	}
	if c.File != nil && c.File.Letters != nil {
		fields = append(append(fields, c.File.Letters.AddressLines...), c.File.Letters.Postcode)
	}
	slices.Sort(fields)
	fields = slices.DeleteFunc(fields, func(field string) bool { return field == campaign.AppColumn })
	return slices.Compact(fields), nil
}
