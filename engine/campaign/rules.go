package campaign

import (
	"maps"
	"slices"
	"strings"
)

// rules fills in what the file is and which of its records count.
func (l *loader) rules(c *Campaign, s *cohortSection) {
	f := Format{Type: s.Format.Type, Encoding: strings.ToLower(s.Format.Encoding), Header: s.Format.Header}
	l.oneOf("cohort.format.type", f.Type, "csv", "nbss", "parquet", "arrow")
	l.oneOf("cohort.format.encoding", f.Encoding, "utf-8", "utf-16", "windows-1252")
	if d := s.Format.Delimiter; d != nil {
		f.Delimiter = *d
		if len(f.Delimiter) != 1 || strings.Contains("\"\r\n", f.Delimiter) {
			l.wrong("cohort.format.delimiter", "must be one character such as \",\", \"|\" or \"\\t\"")
		}
	}
	c.Cohort.Format = f
	c.Cohort.Types = s.Types
	for _, field := range slices.Sorted(maps.Keys(s.Types)) {
		if s.Types[field] == "" {
			l.wrong("cohort.types."+field, "must be date, time, postcode or uk_mobile")
		}
		l.oneOf("cohort.types."+field, s.Types[field], "date", "time", "postcode", "uk_mobile")
	}
	c.Cohort.Duplicates = Duplicates{Rule: "first"}
	if s.Duplicates.rule != "" {
		c.Cohort.Duplicates = Duplicates{s.Duplicates.rule, s.Duplicates.latestBy}
	}
	if rule := c.Cohort.Duplicates; !slices.Contains([]string{"first", "last"}, rule.Rule) && rule.LatestBy == "" {
		l.wrong("cohort.duplicates", "must be first, last, or {latest_by: column}")
	}
	if w := s.Withdrawn; w != nil {
		c.Cohort.Withdrawn = Withdrawn{w.Column, w.Values}
		if w.Column == "" || len(w.Values) == 0 {
			l.wrong("cohort.withdrawn", "needs a column and the values that withdraw, such as {column: record_type, values: [DEL]}")
		}
	}
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		l.wrong(key, "must be one of %s, not %q", strings.Join(allowed, ", "), value)
	}
}
