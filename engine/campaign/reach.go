package campaign

import "slices"

// AppColumn is the column that a campaign with reach has beside those of its cohort: whether
// each person can be reached by the NHS App.
const AppColumn = "nhs_app"

// Reach says how the cohort tells at which GP practice each person is a patient, so that
// the service can be asked who has the NHS App.
type Reach struct {
	Practice string // the column of the practice's ODS code
}

func (l *loader) reach(c *Campaign, s *reachSection) {
	switch {
	case s == nil && l.lines["reach"] == 0:
		return
	case s == nil || s.Practice == "" || s.Practice == "nhs_number" || s.Practice == AppColumn:
		l.wrong("reach", "needs the column of the cohort that holds the GP practice's ODS code, such as {practice: gp_ods_code}")
		return
	case c.File != nil:
		l.wrong("reach", "asks a service, and sink.file has none; take it out")
	}
	c.Reach = &Reach{Practice: s.Practice}
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
			l.wrong(clash.key, "cannot be about %s: with reach that column is not the file's, and says notifications, yes, no or unknown of everybody", AppColumn)
		}
	}
}

func (r *Reach) words() string {
	if r == nil {
		return ""
	}
	return r.Practice
}
