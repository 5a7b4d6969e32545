package campaign

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Condition asks something of a column of the cohort: to be one of Values, or to lie between
// From and To, which are whole numbers or dates (2027-01-31). A bound that is empty is none.
type Condition struct {
	Column   string
	Values   []string
	From, To string
}

// conditionSection is a list of values, or bounds.
type conditionSection struct {
	values   []string
	From, To string
	wrong    bool // it is neither
}

type boundsSection struct {
	From asWritten `yaml:"from"`
	To   asWritten `yaml:"to"`
}

func (conditionSection) section() any   { return boundsSection{} }
func (conditionSection) wanted() string { return "a list of values, or {from: …, to: …}" }

// UnmarshalYAML takes either form.
func (c *conditionSection) UnmarshalYAML(text []byte) error {
	var values []asWritten
	if err := yaml.Unmarshal(text, &values); err == nil {
		for _, v := range values {
			c.values = append(c.values, string(v))
		}
		return nil
	}
	var bounds boundsSection
	c.wrong = yaml.Unmarshal(text, &bounds) != nil
	c.From, c.To = string(bounds.From), string(bounds.To)
	return nil
}

// asWritten is a text that is one although it may look like a number: 01 is not 1.
type asWritten string

// UnmarshalYAML takes any scalar.
func (a *asWritten) UnmarshalYAML(text []byte) error {
	var value string
	if err := yaml.Unmarshal(text, &value); err != nil {
		return err
	}
	if written := strings.TrimSpace(string(text)); written != "" && !strings.ContainsAny(written[:1], "\"'|>") {
		value = written
	}
	*a = asWritten(value)
	return nil
}

// condition fills in what is asked of a column. kinds is how columns were compared before.
func (l *loader) condition(key, column string, s conditionSection, kinds map[string]string) Condition {
	c := Condition{Column: column, Values: s.values, From: s.From, To: s.To}
	kind := ""
	switch ranged := s.From != "" || s.To != ""; {
	case s.wrong || !ranged && len(s.values) == 0:
		l.wrong(key, "must list values, such as [cy, cym], or have bounds, such as {from: 1940-01-01, to: 1950-12-31}")
	case column == "nhs_number":
		l.wrong(key, "cannot choose a route: an NHS number says nothing about a person")
	case ranged:
		if kind = l.bounds(key, s.From, s.To); kind != "" && cmp.Or(kinds[column], kind) != kind {
			l.wrong(key, "is compared as %s here, and as %s by a route before it", kind, kinds[column])
		}
		kinds[column] = kind
	}
	return c
}

// bounds says what the bounds of a range are; empty when that is wrong.
func (l *loader) bounds(key, from, to string) string {
	number := func(text string) (int64, bool) {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && !strings.HasPrefix(text, "+") && len(text) < 18 // as package ingest reads them
	}
	day := func(text string) (int64, bool) {
		t, err := time.Parse(time.DateOnly, text)
		return t.Unix(), err == nil && t.Year() >= 1800 && t.Year() < 2300 // likewise
	}
	for _, kind := range []struct {
		words string
		read  func(string) (int64, bool)
	}{{"a whole number", number}, {"a date", day}} {
		a, okA := kind.read(cmp.Or(from, to))
		b, okB := kind.read(cmp.Or(to, from))
		if okA && okB {
			if a > b {
				l.wrong(key, "is from %s to %s, which nothing is", from, to)
			}
			return kind.words
		}
	}
	l.wrong(key, "must have whole numbers as bounds, or dates such as 1950-12-31, and not one of each")
	return ""
}
