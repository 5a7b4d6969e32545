package campaign

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

func (l *loader) rules(c *Campaign, s *cohortSection) {
	c.Cohort.Format = l.format("cohort.format", s.Format)
	c.Cohort.Multiline, c.Cohort.Checked = s.Multiline, s.Checked
	if slices.ContainsFunc(s.Multiline, func(column string) bool { return column == "" || column == "nhs_number" }) {
		l.wrong("cohort.multiline", "must name columns of free text, such as [notes]")
	}
	if s.Checked && c.Cohort.Format.Encoding != "windows-1252" {
		l.wrong("cohort.encoding_checked", "has a meaning only with cohort.format.encoding: windows-1252")
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
			l.wrong("cohort.numbers", "must be any; without it, the profile decides which NHS numbers may be sent to")
		}
	}
	if s.Superseded != nil {
		if c.Cohort.Superseded = *s.Superseded; *s.Superseded == "" || *s.Superseded == "nhs_number" {
			l.wrong("cohort.superseded_by", "must name the column with the newer NHS number, such as superseded_by_nhs_number")
		}
	}
	if w := s.Withdrawn; w != nil {
		c.Cohort.Withdrawn = *w
		if w.Column == "" || len(w.Values) == 0 {
			l.wrong("cohort.withdrawn",
				"needs a column and the values that withdraw a person, such as {column: record_type, values: [DEL]}")
		}
	}
}

// format reads the format of a file, as far as its content does not show it.
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

func (l *loader) suppress(c *Campaign, lists []listSection) {
	for i, s := range lists {
		key := fmt.Sprintf("suppress[%d]", i)
		list := List{
			File: l.absolute(s.File), Reason: s.Reason, MayShrink: s.MayShrink, Unreadable: s.Unreadable,
			Format: l.format(key+".format", s.Format),
		}
		for _, k := range []string{key + ".file", key + ".reason"} { // a missing key has the line of the section
			l.lines[k] = cmp.Or(l.lines[k], l.lines["suppress"])
		}
		switch {
		case s.File == "":
			l.wrong(key+".file", "is missing; name the list's file")
		case s.Reason == "":
			l.wrong(key+".reason", "is missing; say why these people are left out, such as deceased_formal or opted_out")
		case !reasonForm.MatchString(s.Reason) || len(s.Reason) > 40:
			l.wrong(key+".reason", "must be small letters and underscores, such as deceased_formal or opted_out; it is %.50q", s.Reason)
		case s.Unreadable < 0:
			l.wrong(key+".unreadable", "must be at least 0; it is %d", s.Unreadable)
		case slices.ContainsFunc(c.Suppress, func(other List) bool { return other.File == list.File }):
			l.wrong(key+".file", "is named twice")
		}
		c.Suppress = append(c.Suppress, list)
	}
}

// defaults reads the values of empty fields. The reader of the cohort checks their types, and
// whether the fields are used.
func (l *loader) defaults(c *Campaign, defaults map[string]*string) {
	for _, field := range slices.Sorted(maps.Keys(defaults)) {
		key := "cohort.defaults." + field
		switch value := defaults[field]; {
		case value == nil:
			l.wrong(key, "must be a text, such as \"you\"")
			continue
		case field == "nhs_number":
			l.wrong(key, "cannot be: an NHS number has no default")
		case slices.Contains(c.Cohort.Required, field):
			l.wrong(key, "is for a field of cohort.required, which may not be empty; keep one of the two")
		}
		if c.Cohort.Defaults == nil {
			c.Cohort.Defaults = map[string]string{}
		}
		c.Cohort.Defaults[field] = *defaults[field]
	}
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		last := len(allowed) - 1
		l.wrong(key, "must be %s or %s, not %q", strings.Join(allowed[:last], ", "), allowed[last], value)
	}
}
