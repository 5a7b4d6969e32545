package campaign

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
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
// read is empty. The title is one line.
func HeadingOf(text []byte) (h Heading) {
	if yaml.Unmarshal(text, &h) != nil {
		return Heading{}
	}
	h.Title = oneLine(h.Title)
	return h
}

func (l *loader) heading(c *Campaign, h Heading) {
	c.Heading = h
	if l.has("series") && !nameForm.MatchString(h.Series) {
		l.wrong("series", "may have only a-z, 0-9 and hyphens, at most 64 of them; it is %.70q", h.Series)
	}
	const mostTitle = 200
	if long := utf8.RuneCountInString(h.Title) > mostTitle; l.has("title") && (long || h.Title == "" || oneLine(h.Title) != h.Title) {
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
	headers := func(field string) []string { return append(slices.Clip(c.Cohort.Columns[field]), field) }
	numbers := append(headers("nhs_number"), headers(c.Cohort.Superseded)...)
	isNumber := func(header string) bool {
		plain := plainName(header)
		return slices.Contains(numbers, header) || strings.Contains(plain, "nhsno") || strings.Contains(plain, "nhsnum")
	}
	for i, column := range columns {
		switch {
		case column == "" || oneLine(column) != column:
			l.wrong(key, "must list columns of the cohort, such as [icb, clinic]; %q is no name", column)
		case slices.ContainsFunc(columns[:i], func(other string) bool { return strings.EqualFold(other, column) }):
			l.wrong(key, "names %s twice", column)
		case slices.ContainsFunc(headers(column), isNumber):
			l.wrong(key, "names %s, a column of NHS numbers; name columns that put people into groups, such as [icb, clinic]", column)
		}
	}
}

// oneLine is a text without control characters, and without white space around it.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Join(strings.FieldsFunc(text, unicode.IsControl), " "))
}
