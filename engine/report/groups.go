package report

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// MostGroups limits the different values of a column that people are grouped by.
const MostGroups = 10_000

// ErrManyGroups says that a column has more different values than MostGroups, or in a cohort of more than 1,000 records
// more than half as many as records.
var ErrManyGroups = errors.New("too many different values")

// Groups are the records of a run, counted by the values of a kept column. Decision 33 says what it withholds.
type Groups struct {
	Column string    `json:"column"`
	AsOf   time.Time `json:"as_of"`
	Groups []Group   `json:"groups"` // by value
	Total  Group     `json:"total"`
}

// Group has the counts of the records with one value: of all, by fate, and of the accepted messages that were delivered,
// read or failed, or about which nothing final is known yet. Those are left out when the services have said nothing about any message.
type Group struct {
	Value  *string        `json:"value"`  // nil: the column is empty, or the record is invalid
	Counts map[string]any `json:"counts"` // each an int64, or the words fewer than 5 or at least N
}

// fewest is the least number of people that is shown, beside none.
const fewest = 5

// add is the count of several cells together. Of a cell of one to four people it tells no more than that.
func add(cells []int64) any {
	shown, all, hidden := int64(0), int64(0), int64(0)
	for _, n := range cells {
		all += n
		if 0 < n && n < fewest {
			hidden++
		} else {
			shown += n
		}
	}
	switch {
	case hidden == 0:
		return shown
	case shown > 0 || hidden >= fewest-1: // four cells with fewer than five people would have one each
		return fmt.Sprintf("at least %d", shown+hidden)
	case all < fewest:
		return fmt.Sprintf("fewer than %d", fewest)
	}
	return fmt.Sprintf("at least %d", fewest)
}

// tally counts the records with one value. Each is in one cell: an accepted message in one of the first four, and others
// by their fate, in the order of person.Fates.
type tally [10]int64

const (
	cellRead = iota
	cellDelivered
	cellFailed
	cellUnknown
)

// groupCounts are the counts of a group, and the cells that each adds up. The last ones need facts.
var groupCounts = []struct {
	name     string
	from, to int
}{
	{"records", 0, 10}, {"accepted", 0, 4}, {"refused", 4, 5}, {"invalid", 5, 6}, {"duplicate", 6, 7}, {"suppressed", 7, 8},
	{"in_doubt", 8, 9}, {"not_sent", 9, 10}, {"delivered", 0, 2}, {"read", 0, 1}, {"failed", 2, 3}, {"not_known", 3, 4},
}

// grouping is the Output of By.
type grouping struct {
	in     *Input
	into   *Groups
	column int
	tally  map[string]*tally
	known  bool // the service has said something about some message
}

// By counts the records by the kept column that into names. The counts are there after Write. With more values than
// MostGroups, Write fails with ErrManyGroups.
func By(into *Groups) Output {
	return func(in *Input) (output, error) {
		return &grouping{in: in, into: into, column: slices.Index(in.Records.Keep(), into.Column), tally: map[string]*tally{}}, nil
	}
}

func (by *grouping) maker() maker {
	return func(g *group) (func() error, error) { return func() error { return by.add(g) }, nil }
}

func (by *grouping) add(g *group) error {
	for i, value := range g.kept[by.column][:len(g.rows)] {
		t := by.tally[value]
		if t == nil {
			t = new(tally)
			by.tally[strings.Clone(value)] = t
		}
		t[g.cell(i)]++
		by.known = by.known || g.states[i] > 0
	}
	if len(by.tally) > MostGroups {
		return ErrManyGroups
	}
	return nil
}

// cell is the cell of the record at a place.
func (g *group) cell(place int) int {
	fate, s := g.told[g.outcomes[place]].fate, g.stateOf(place)
	switch {
	case fate > 0:
		return cellUnknown + fate
	case s != nil && s.Read:
		return cellRead
	case s != nil && s.Delivered:
		return cellDelivered
	case s != nil && s.Final():
		return cellFailed
	}
	return cellUnknown
}

func (by *grouping) close(map[string]string) error {
	records := 0
	for _, t := range by.tally {
		for _, n := range t {
			records += int(n)
		}
	}
	if records > 1000 && 2*len(by.tally) > records {
		return ErrManyGroups
	}
	var all []*tally
	for _, value := range slices.Sorted(maps.Keys(by.tally)) {
		g := Group{Counts: by.counts(by.tally[value])}
		if value != "" {
			g.Value = &value
		}
		by.into.Groups, all = append(by.into.Groups, g), append(all, by.tally[value])
	}
	by.into.AsOf, by.into.Total = by.in.AsOf, Group{Counts: by.counts(all...)}
	return nil
}

func (by *grouping) counts(of ...*tally) map[string]any {
	counts := map[string]any{}
	for i, c := range groupCounts {
		var cells []int64
		for _, t := range of {
			cells = append(cells, t[c.from:c.to]...)
		}
		if by.known || i < len(groupCounts)-4 {
			counts[c.name] = add(cells)
		}
	}
	return counts
}

// Print prints the groups as a table, without the counts that are 0 everywhere.
func (g *Groups) Print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(first string, cell func(name string) any) {
		fmt.Fprint(table, first)
		for _, c := range groupCounts {
			if total := g.Total.Counts[c.name]; total != nil && total != int64(0) {
				fmt.Fprint(table, "\t", cell(c.name))
			}
		}
		fmt.Fprintln(table)
	}
	line(g.Column, func(name string) any { return name })
	for _, one := range g.Groups {
		value := "(none)"
		if one.Value != nil {
			value = *one.Value
		}
		if strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) { // it is not for a terminal
			value = strconv.Quote(value)
		}
		line(value, func(name string) any { return one.Counts[name] })
	}
	atLeast := false
	line("total", func(name string) any {
		text, isText := g.Total.Counts[name].(string)
		atLeast = atLeast || isText && strings.HasPrefix(text, "at least")
		return g.Total.Counts[name]
	})
	_ = table.Flush()
	if atLeast {
		fmt.Fprintln(w, "\"at least\" is a minimum, which may fall when more is known; cohort status has the exact totals of the run")
	}
}
