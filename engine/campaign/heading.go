package campaign

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"cohort/ingest/person"
)

// Heading has what people know a run by. It is in no plan.
type Heading struct {
	Series  string  `yaml:"series"` // runs of one series are compared; empty: none
	Title   string  `yaml:"title"`  // of pages and lists; empty: the campaign's name takes its place
	Purpose Purpose `yaml:"purpose"`
}

// Purpose says why messages are sent.
type Purpose struct {
	Text  string `yaml:"text"`
	Owner string `yaml:"owner"` // who answers for it
	Basis string `yaml:"basis"` // the legal basis
}

// HeadingOf reads the heading in the text of a campaign file, and nothing else of it. What cannot be
// read is empty.
func HeadingOf(text []byte) (h Heading) {
	if yaml.Unmarshal(text, &h) != nil {
		return Heading{}
	}
	return h
}

const mostTitle = 200 // characters

func (l *loader) heading(c *Campaign, h Heading) {
	c.Heading = h
	if l.has("series") && !nameForm.MatchString(h.Series) {
		l.wrong("series", "may have only a-z, 0-9 and hyphens, at most 64 of them; it is %.70q", h.Series)
	}
	if n := utf8.RuneCountInString(h.Title); l.has("title") && (strings.TrimSpace(h.Title) == "" || n > mostTitle || strings.ContainsFunc(h.Title, unicode.IsControl)) {
		l.wrong("title", "must be one line of at most %d characters, such as Bowel screening invitation, November 2026", mostTitle)
	}
	if l.has("purpose") && strings.TrimSpace(h.Purpose.Text) == "" {
		l.wrong("purpose", "needs a text that says why the messages are sent; owner and basis may stand beside it")
	}
}

// keepColumns reads the columns that reports group people by. It follows cohort.
func (l *loader) keepColumns(c *Campaign, columns []string) {
	const key = "keep_columns"
	c.KeepColumns = columns
	if len(columns) == 0 && l.has(key) {
		l.wrong(key, "must list columns of the cohort, such as [icb, clinic]")
	}
	numbers := append(c.Cohort.headers("nhs_number"), c.Cohort.headers(c.Cohort.Superseded)...)
	isNumber := func(header string) bool {
		plain := plainName(header)
		return slices.Contains(numbers, header) || strings.Contains(plain, "nhsno") || strings.Contains(plain, "nhsnum")
	}
	for i, column := range columns {
		switch {
		case strings.TrimSpace(column) != column || column == "" || person.HasControl(column) || strings.ContainsAny(column, "\t\r\n"):
			l.wrong(key, "must list columns of the cohort, such as [icb, clinic]; %q is no name", column)
		case slices.ContainsFunc(columns[:i], func(other string) bool { return strings.EqualFold(other, column) }):
			l.wrong(key, "names %s twice", column)
		case slices.ContainsFunc(append(c.Cohort.headers(column), column), isNumber):
			l.wrong(key, "names %s, a column of NHS numbers; name columns that put people into groups, such as [icb, clinic]", column)
		}
	}
}

// headers are the names that the column of a field may have.
func (c *Cohort) headers(field string) []string {
	if headers, mapped := c.Columns[field]; mapped {
		return slices.Clip(headers)
	}
	return []string{field}
}
