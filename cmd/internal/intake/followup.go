package intake

import (
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks"
)

// FollowUpColumns lists the columns that the follow-ups of a campaign need, and the follow-ups of those. The spool
// of the first run carries them for all. It refuses a chain that has a campaign twice: a person could get its message
// twice.
func FollowUpColumns(c *campaign.Campaign) ([]string, error) {
	return followUpColumns(c, &[]string{c.Name})
}

// followUpColumns is FollowUpColumns. chain has the names of the campaigns that were met so far.
func followUpColumns(c *campaign.Campaign, chain *[]string) (columns []string, err error) {
	for _, rule := range c.FollowUps {
		if rule.NotAfter != "" {
			columns = append(columns, rule.NotAfter)
		}
		by, err := LoadCampaign(rule.By)
		var needs []string
		if err == nil && slices.Contains(*chain, by.Name) {
			return nil, refusal.New("followup_campaign_twice", "campaign", by.Name, "rule", rule.Name, "file", c.Path)
		}
		if err == nil {
			*chain = append(*chain, by.Name)
			needs, err = columnsFor(by, chain)
		}
		if refusal.Code(err) == "followup_campaign_twice" {
			return nil, err
		}
		if err != nil {
			return nil, refusal.New("followup_campaign_unusable", "cause", err, "rule", rule.Name)
		}
		columns = append(columns, needs...)
	}
	slices.Sort(columns)
	return slices.Compact(columns), nil
}

// ColumnsFor lists the columns that a follow-up by a campaign needs beside the NHS number: for its messages, its
// rules, and the follow-ups behind it.
func ColumnsFor(by *campaign.Campaign) ([]string, error) {
	return columnsFor(by, &[]string{by.Name})
}

func columnsFor(by *campaign.Campaign, chain *[]string) ([]string, error) {
	columns, err := followUpColumns(by, chain)
	if err != nil {
		return nil, err
	}
	fields, err := sinks.FieldsOf(by)
	if err != nil {
		return nil, err
	}
	columns = slices.Concat(columns, fields, by.Cohort.Required, by.KeepColumns)
	for _, route := range by.Routes {
		for _, condition := range route.When {
			columns = append(columns, condition.Column)
		}
	}
	if by.Reach != nil {
		columns = append(columns, by.Reach.Practice)
	}
	if by.File != nil && by.File.Letters != nil {
		columns = append(append(columns, by.File.Letters.AddressLines...), by.File.Letters.Postcode)
	}
	slices.Sort(columns)
	columns = slices.DeleteFunc(columns, func(c string) bool { return c == campaign.AppColumn })
	return slices.Compact(columns), nil
}
