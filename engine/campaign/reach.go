package campaign

import "slices"

// AppColumn is the column that reach adds to the cohort: whether the NHS App reaches a person.
const AppColumn = "nhs_app"

// Reach names the column with each person's GP practice. The service then tells who has the NHS App.
type Reach struct {
	Practice string `yaml:"practice"` // the column with the ODS code of the practice
}

func (l *loader) reach(c *Campaign, s *Reach) {
	switch {
	case s == nil && !l.has("reach"):
		return
	case s == nil || s.Practice == "" || s.Practice == "nhs_number" || s.Practice == AppColumn:
		l.wrong("reach", "needs the column with the ODS code of the GP practice, such as {practice: gp_ods_code}")
		return
	case c.File != nil:
		l.wrong("reach", "needs a service, and sink.file has none; take it out")
	}
	c.Reach = s
	_, mapped := c.Cohort.Columns[AppColumn]
	_, typed := c.Cohort.Types[AppColumn]
	_, defaulted := c.Cohort.Defaults[AppColumn]
	for _, clash := range []struct {
		key string
		is  bool
	}{
		{"cohort.columns." + AppColumn, mapped}, {"cohort.types." + AppColumn, typed}, {"cohort.defaults." + AppColumn, defaulted},
		{"cohort.required", slices.Contains(c.Cohort.Required, AppColumn)},
		{"cohort.duplicates", c.Cohort.Duplicates.LatestBy == AppColumn}, {"cohort.superseded_by", c.Cohort.Superseded == AppColumn},
	} {
		if clash.is {
			l.wrong(clash.key, "cannot be about %s: reach fills this column with notifications, yes, no or unknown", AppColumn)
		}
	}
}

func (r *Reach) words() string {
	if r == nil {
		return ""
	}
	return r.Practice
}
