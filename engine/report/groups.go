package report

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cohort/ingest/person"
)

// MostGroups limits the different values of a column that people are grouped by.
const MostGroups = 10_000

// ErrManyGroups says that a column has more different values than MostGroups.
var ErrManyGroups = errors.New("too many different values")

// Groups are the records of a run, counted by the values of a kept column. Decision 33 says what it withholds.
type Groups struct {
	Column string    `json:"column"`
	AsOf   time.Time `json:"as_of"`
	Groups []Group   `json:"groups"` // by value
	Total  Group     `json:"total"`
}

// Group has the counts of the records with one value: records, each fate, and of the accepted messages delivered, read
// and failed. Those three are left out when the services have said nothing about any message.
type Group struct {
	Value  *string          `json:"value"` // nil: the column is empty, or the record is invalid
	Counts map[string]Count `json:"counts"`
}

// Count is a number of people as it may be shown.
type Count struct {
	N     int64
	Exact bool // else there are at least N, or fewer than 5 if N is 0
}

// fewest is the least number of people that is shown, beside none.
const fewest = 5

func (c Count) String() string {
	switch {
	case c.Exact:
		return strconv.FormatInt(c.N, 10)
	case c.N == 0:
		return fmt.Sprintf("fewer than %d", fewest)
	}
	return fmt.Sprintf("at least %d", c.N)
}

// MarshalJSON writes a number, or the words of String.
func (c Count) MarshalJSON() ([]byte, error) {
	if c.Exact {
		return []byte(c.String()), nil
	}
	return []byte(strconv.Quote(c.String())), nil
}

// add is the count of several cells together. Of a cell of one to four people it tells no more than that.
func add(cells []int64) Count {
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
		return Count{shown, true}
	case shown > 0 || hidden >= fewest-1: // four cells with fewer than five people would have one each
		return Count{shown + hidden, false}
	case all < fewest:
		return Count{}
	}
	return Count{fewest, false}
}

// Each record is in one cell: an accepted message in one of the first four, and others by their fate.
const (
	cellRead = iota
	cellDelivered
	cellFailed
	cellUnknown
	otherFates // the second of person.Fates and those behind it
)

type tally [otherFates + 6]int64

// shownCounts are the counts of a group, in order, and the cells that each adds up. The first three need facts.
var shownCounts = func() (all []shownCount) {
	accepted := []int{cellRead, cellDelivered, cellFailed, cellUnknown}
	records := shownCount{"records", slices.Clip(accepted)}
	all = append(all, shownCount{string(person.Fates[0]), accepted})
	for i, fate := range person.Fates[1:] {
		all = append(all, shownCount{string(fate), []int{otherFates + i}})
		records.cells = append(records.cells, otherFates+i)
	}
	all = append([]shownCount{records}, all...)
	return append(all, shownCount{"delivered", accepted[:2]}, shownCount{"read", accepted[:1]}, shownCount{"failed", accepted[2:3]})
}()

type shownCount struct {
	name  string
	cells []int
}

// grouping is the Output of By.
type grouping struct {
	in     *Input
	column int
	into   *Groups
	tally  map[string]*tally
	known  bool // the service has said something about some message
}

// By counts the records by the kept column that into names. The counts are there after Write. With more values than
// MostGroups, Write fails with ErrManyGroups.
func By(into *Groups) Output {
	return func(in *Input) (output, error) {
		by := &grouping{in, slices.Index(in.Records.Keep(), into.Column), into, map[string]*tally{}, false}
		if by.column < 0 {
			return nil, fmt.Errorf("the column %s is not kept; this is a defect of cohort", into.Column)
		}
		return by, nil
	}
}

func (by *grouping) maker() maker {
	return func(g *group) (func() error, error) { return func() error { return by.add(g) }, nil }
}

func (by *grouping) add(g *group) error {
	k := &g.kept[by.column]
	of := make([]*tally, len(k.values))
	for i, value := range k.which {
		if of[value] == nil {
			t := by.tally[k.values[value]]
			if t == nil {
				t = new(tally)
				by.tally[strings.Clone(k.values[value])] = t
			}
			of[value] = t
		}
		of[value][g.cell(i)]++
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
		return otherFates + fate - 1
	case s == nil:
		return cellUnknown
	case s.Read:
		return cellRead
	case s.Delivered:
		return cellDelivered
	case s.Final():
		return cellFailed
	}
	return cellUnknown
}

func (by *grouping) close(map[string]string) error {
	var all []*tally
	for _, value := range slices.Sorted(maps.Keys(by.tally)) {
		t := by.tally[value]
		g := Group{Counts: by.counts(t)}
		if value != "" {
			g.Value = &value
		}
		by.into.Groups, all = append(by.into.Groups, g), append(all, t)
	}
	by.into.AsOf, by.into.Total = by.in.AsOf, Group{Counts: by.counts(all...)}
	return nil
}

func (by *grouping) counts(of ...*tally) map[string]Count {
	counts := map[string]Count{}
	for i, c := range shownCounts {
		if !by.known && i > len(person.Fates) {
			break
		}
		var cells []int64
		for _, t := range of {
			for _, cell := range c.cells {
				cells = append(cells, t[cell])
			}
		}
		counts[c.name] = add(cells)
	}
	return counts
}

// Print prints the groups as a table, without the counts that are 0 everywhere.
func (g *Groups) Print(w io.Writer) {
	table := [][]string{{g.Column}}
	for _, line := range g.Groups {
		table = append(table, []string{printed(line.Value)})
	}
	table = append(table, []string{"total"})
	for _, c := range shownCounts {
		if n, known := g.Total.Counts[c.name]; !known || n == (Count{Exact: true}) {
			continue
		}
		table[0] = append(table[0], c.name)
		for i, line := range append(slices.Clip(g.Groups), g.Total) {
			table[i+1] = append(table[i+1], line.Counts[c.name].String())
		}
	}
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range table {
		fmt.Fprintf(w, "%-*s", widths[0], line[0])
		for i, cell := range line[1:] {
			fmt.Fprintf(w, "  %*s", widths[i+1], cell)
		}
		fmt.Fprintln(w)
	}
}

// printed is a value for a terminal.
func printed(value *string) string {
	switch {
	case value == nil:
		return "(none)"
	case strings.ContainsFunc(*value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return strconv.Quote(*value)
	}
	return *value
}
