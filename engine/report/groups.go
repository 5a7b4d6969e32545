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
	Value  *string          `json:"value"` // nil: the column is empty, or the record is invalid
	Counts map[string]Count `json:"counts"`
}

// Count is a count of people as it may be shown. In JSON it is a number, or a text such as fewer than 5.
type Count struct {
	N     int64
	Words string // stand before N: fewer than, at least, or none
}

const (
	fewerThan = "fewer than"
	atLeast   = "at least"
)

// AtLeast reports whether a count of one to four people is in it, and more.
func (c Count) AtLeast() bool { return c.Words == atLeast }

func (c Count) String() string { return strings.TrimSpace(fmt.Sprintf("%s %d", c.Words, c.N)) }

// MarshalJSON writes a number or a text.
func (c Count) MarshalJSON() ([]byte, error) {
	if c.Words == "" {
		return strconv.AppendInt(nil, c.N, 10), nil
	}
	return strconv.AppendQuote(nil, c.String()), nil
}

// fewest is the least number of people that is shown, beside none.
const fewest = 5

// add is the count of several cells together. Of a cell of one to four people, and of a minimum, it tells no more than
// that.
func add(cells []int64) Count {
	shown, hidden, minimums := int64(0), int64(0), false
	for _, n := range cells {
		switch {
		case n < 0:
			shown, minimums = shown-n, true
		case 0 < n && n < fewest:
			hidden++
		default:
			shown += n
		}
	}
	switch {
	case hidden == 0 && !minimums:
		return Count{N: shown}
	case hidden == 1 && shown == 0:
		return Count{fewest, fewerThan}
	}
	return Count{shown + hidden, atLeast}
}

// Tally counts the records with one value. Each is in one cell: an accepted message in one of the first four (read, else
// delivered, failed, not known), and others by their fate, in the order of person.Fates. A negative count is a minimum.
type Tally [10]int64

// withhold makes minimums of counts, the first ones by value, until a run's total and the other counts tell no count of
// one to four people: with the minimums, each of them can be one and can be four. A minimum tells no more than the total.
func withhold(values map[string]*Tally) {
	sorted := slices.Sorted(maps.Keys(values))
	for cell := range len(Tally{}) {
		few, spare := int64(0), int64(0) // small counts; people in them, and those above fewest in the minimums
		for _, t := range values {
			if n := t[cell]; 0 < n && n < fewest {
				few, spare = few+1, spare+n
			}
		}
		most := (fewest - 1) * few // that spare can be before the next minimum
		for _, value := range sorted {
			if n := &values[value][cell]; few > 0 && *n >= fewest {
				spare += *n - fewest
				if *n = -max(fewest, fewest+spare-most); spare >= few+3 {
					break
				}
				most = few + 2
			}
		}
	}
}

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
	tally  map[string]*Tally
	known  bool // the service has said something about some message
}

// By counts the records by the kept column that into names. The counts are there after Write. With more values than
// MostGroups, Write fails with ErrManyGroups.
func By(into *Groups) Output {
	return func(in *Input) (output, error) {
		return &grouping{in: in, into: into, column: slices.Index(in.Records.Keep(), into.Column), tally: map[string]*Tally{}}, nil
	}
}

func (by *grouping) maker() maker {
	return func(g *group) (func() error, error) { return func() error { return by.add(g) }, nil }
}

func (by *grouping) add(g *group) error {
	for i, value := range g.kept[by.column][:len(g.rows)] {
		t := by.tally[value]
		if t == nil {
			t = new(Tally)
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
	withhold(by.tally)
	var all []*Tally
	for _, value := range slices.Sorted(maps.Keys(by.tally)) {
		g := Group{Counts: Counts(by.known, by.tally[value])}
		if value != "" {
			g.Value = &value
		}
		by.into.Groups, all = append(by.into.Groups, g), append(all, by.tally[value])
	}
	by.into.AsOf, by.into.Total = by.in.AsOf, Group{Counts: Counts(by.known, all...)}
	return nil
}

// Counts returns the counts of tallies together, by the names of the columns of cohort report --by. Without news of any
// message, those that need it are left out.
func Counts(news bool, of ...*Tally) map[string]Count {
	counts := map[string]Count{}
	for i, c := range groupCounts {
		var cells []int64
		for _, t := range of {
			cells = append(cells, t[c.from:c.to]...)
		}
		if news || i < len(groupCounts)-4 {
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
			if g.Total.Counts[c.name] != (Count{}) {
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
	least := false
	line("total", func(name string) any {
		least = least || g.Total.Counts[name].AtLeast()
		return g.Total.Counts[name]
	})
	_ = table.Flush()
	if least {
		fmt.Fprintln(w, "\"at least\" is a minimum, which may fall when more is known; cohort status has the exact totals of the run")
	}
}
