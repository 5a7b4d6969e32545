package intake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/ingest"
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

// OpenAgain opens the files that a plan was made from, to read columns that its spool does not have. It refuses files
// with another digest. So the caller compares the digest once more when the reader has ended.
func OpenAgain(ctx context.Context, c *campaign.Campaign, p *plan.Plan, files, columns []string) (*ingest.Reader, error) {
	o := baseOptions(c, nil)
	o.Zone = c.Pace.Location
	reader, err := ingest.Open(ctx, files, o)
	if err == nil {
		err = SameCohort(ctx, reader, p)
	}
	if o.Keep = columns; err == nil {
		reader, err = ingest.Open(ctx, files, o)
	}
	if err != nil && refusal.Code(err) == "" {
		err = refusal.New("cohort_unreadable", "cause", err)
	}
	return reader, err
}

// SameCohort refuses a cohort that is not the one of a plan.
func SameCohort(ctx context.Context, reader *ingest.Reader, p *plan.Plan) error {
	digest, err := reader.Digest(ctx)
	if got := fmt.Sprintf("%x", digest); err == nil && got != p.Cohort.SHA256 {
		var was []string
		for _, f := range p.Cohort.Files {
			was = append(was, f.Path)
		}
		err = refusal.New("followup_other_cohort", "run", p.RunID[:8], "files", strings.Join(was, ", "),
			"want", p.Cohort.SHA256[:12], "got", got[:12])
	}
	return err
}
