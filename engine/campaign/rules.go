package campaign

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// rules fills in what the file is and which of its records count.
func (l *loader) rules(c *Campaign, s *cohortSection) {
	c.Cohort.Format = l.format("cohort.format", s.Format)
	c.Cohort.Multiline, c.Cohort.Checked = s.Multiline, s.Checked
	if slices.ContainsFunc(s.Multiline, func(column string) bool { return column == "" || column == "nhs_number" }) {
		l.wrong("cohort.multiline", "must name columns of free text, such as [notes]")
	}
	if s.Checked && c.Cohort.Format.Encoding != "windows-1252" {
		l.wrong("cohort.encoding_checked", "insists on cohort.format.encoding: windows-1252, and has no meaning without it")
	}
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
	l.defaults(c, s.Defaults)
	if s.Numbers != nil {
		if c.Cohort.Numbers = Numbers(*s.Numbers); c.Cohort.Numbers != WhateverNumbers {
			l.wrong("cohort.numbers", "must be any; leave it out, and the profile says which NHS numbers may be sent to")
		}
	}
	if s.Superseded != nil {
		if c.Cohort.Superseded = *s.Superseded; *s.Superseded == "" || *s.Superseded == "nhs_number" {
			l.wrong("cohort.superseded_by", "must name the column with the number that superseded the record's, such as superseded_by_nhs_number")
		}
	}
	if w := s.Withdrawn; w != nil {
		c.Cohort.Withdrawn = Withdrawn{w.Column, w.Values}
		if w.Column == "" || len(w.Values) == 0 {
			l.wrong("cohort.withdrawn", "needs a column and the values that withdraw, such as {column: record_type, values: [DEL]}")
		}
	}
}

// format fills in what a file is that is not told by its content.
func (l *loader) format(key string, s formatSection) Format {
	f := Format{Type: s.Type, Encoding: strings.ToLower(s.Encoding), Header: s.Header}
	l.oneOf(key+".type", f.Type, "csv", "tsv", "mesh", "nbss", "parquet", "arrow")
	l.oneOf(key+".encoding", f.Encoding, "utf-8", "utf-16", "utf-16le", "utf-16be", "windows-1252")
	if d := s.Delimiter; d != nil {
		f.Delimiter = *d
		if len(f.Delimiter) != 1 || strings.Contains("\"\r\n", f.Delimiter) {
			l.wrong(key+".delimiter", "must be one character such as \",\", \"|\" or \"\\t\"")
		}
	}
	return f
}

var reasonForm = regexp.MustCompile(`^[a-z][a-z_]*[0-9]?[a-z_]*$`)

// suppress fills in the suppression lists.
func (l *loader) suppress(c *Campaign, lists []listSection) {
	for i, s := range lists {
		key := fmt.Sprintf("suppress[%d]", i)
		list := List{File: l.absolute(s.File), Reason: s.Reason, MayShrink: s.MayShrink, Unreadable: s.Unreadable, Format: l.format(key+".format", s.Format)}
		for _, k := range []string{key + ".file", key + ".reason"} {
			if l.lines[k] == 0 { // missing: the list as a whole is where to look
				l.lines[k] = l.lines["suppress"]
			}
		}
		switch {
		case s.File == "":
			l.wrong(key+".file", "is missing; name the list's file")
		case s.Reason == "":
			l.wrong(key+".reason", "is missing; say why these people are left out, such as deceased_formal or opted_out")
		case !reasonForm.MatchString(s.Reason) || len(s.Reason) > 40:
			l.wrong(key+".reason", "must be a reason code of small letters and underscores, such as deceased_formal or opted_out")
		case s.Unreadable < 0:
			l.wrong(key+".unreadable", "must be a number of rows, such as 4")
		case slices.ContainsFunc(c.Suppress, func(other List) bool { return other.File == list.File }):
			l.wrong(key+".file", "is named twice")
		}
		c.Suppress = append(c.Suppress, list)
	}
}

// defaults fills in what empty fields become. Whether a default is of its field's type,
// and whether the field is used, is for those to say who read the cohort.
func (l *loader) defaults(c *Campaign, defaults map[string]*string) {
	for _, field := range slices.Sorted(maps.Keys(defaults)) {
		key := "cohort.defaults." + field
		switch value := defaults[field]; {
		case value == nil:
			l.wrong(key, "must be a text, such as \"you\"")
			continue
		case field == "nhs_number":
			l.wrong(key, "cannot be: nobody has an NHS number by default")
		case slices.Contains(c.Cohort.Required, field):
			l.wrong(key, "is for a field that cohort.required says may not be empty; keep one of the two")
		}
		if c.Cohort.Defaults == nil {
			c.Cohort.Defaults = map[string]string{}
		}
		c.Cohort.Defaults[field] = *defaults[field]
	}
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		l.wrong(key, "must be one of %s, not %q", strings.Join(allowed, ", "), value)
	}
}
