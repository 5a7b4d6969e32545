package campaign

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Condition is a test of a column of the cohort. Its value must be one of Values, or be between
// From and To: whole numbers or dates (2027-01-31). An empty bound means no bound.
type Condition struct {
	Column   string
	Values   []string
	From, To string
}

type conditionSection struct {
	values   []string
	From, To string
	wrong    bool // it is neither of them
}

type boundsSection struct {
	From asWritten `yaml:"from"`
	To   asWritten `yaml:"to"`
}

func (conditionSection) Section() any   { return boundsSection{} }
func (conditionSection) Wanted() string { return "a list of values, or {from: …, to: …}" }

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

// asWritten keeps a value that looks like a number as it is written: 01 is not 1.
type asWritten string

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

// condition reads the condition of a column. kinds has the kinds of bounds in earlier routes.
func (l *loader) condition(key, column string, s conditionSection, kinds map[string]string) Condition {
	c := Condition{Column: column, Values: s.values, From: s.From, To: s.To}
	kind := ""
	switch ranged := s.From != "" || s.To != ""; {
	case s.wrong || !ranged && len(s.values) == 0:
		l.wrong(key, "must list values, such as [cy, cym], or have bounds, such as {from: 1940-01-01, to: 1950-12-31}")
	case column == "nhs_number":
		l.wrong(key, "cannot choose a route: an NHS number has no meaning")
	case ranged:
		if kind = l.bounds(key, s.From, s.To); kind != "" && cmp.Or(kinds[column], kind) != kind {
			l.wrong(key, "is %s here, and %s in an earlier route", kind, kinds[column])
		}
		kinds[column] = kind
	}
	return c
}

// bounds returns the kind of the bounds of a range; empty if they are wrong.
func (l *loader) bounds(key, from, to string) string {
	number := func(text string) (int64, bool) {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && !strings.HasPrefix(text, "+") && len(text) < 18 // as package ingest reads it
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
				l.wrong(key, "is from %s to %s, but the first bound must be the lower one", from, to)
			}
			return kind.words
		}
	}
	l.wrong(key, "must have two whole numbers or two dates such as 1950-12-31 as bounds")
	return ""
}
