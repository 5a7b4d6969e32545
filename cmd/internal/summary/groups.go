package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/cmd/internal/markup"
	"cohort/engine/report"
)

const (
	mostGroups = 44 // rows on the page
	mostColumn = 3  // columns on the page
	fewest     = 5  // a value that surely has fewer people is not named

	longestName = 70 // characters of a value on the page
)

// group is a column on the page.
type group struct {
	Column  string
	AtLeast bool // some count says so
	*markup.Table
}

// Grouped has a table for each of the first kept columns.
func (p *Page) Grouped() (all []group) {
	shown := p.Groups[:min(mostColumn, len(p.Groups))]
	for i, g := range shown { // another head takes the room of some rows
		all = append(all, p.group(fmt.Sprintf("group%d", i), g, max(6, (mostGroups-12*(len(shown)-1))/len(shown))))
	}
	return all
}

// group has the counts that cohort report --by shows, and no others: decision 33.
func (p *Page) group(id string, g report.Tallies, most int) group {
	column := strings.ReplaceAll(markup.OneLine(g.Column), "_", " ")
	if len(column) < 4 { // such as ICB and GP
		column = strings.ToUpper(column)
	}
	t := &markup.Table{ID: id, Caption: "People by " + column, Head: []string{markup.Capital(column), "Sent to", "Delivered", "Not delivered", "Not known"}, Dense: true}
	if p.Known == 0 {
		t.Head = t.Head[:2]
	}
	of := group{Column: column, Table: t}
	names, tallies := largest(g, most)
	tallies = append(tallies, slices.Concat(tallies...))
	for i, name := range append(names, "All") {
		counts, r := report.Counts(p.Known > 0, tallies[i]...), markup.Row{Name: name, Sum: i == len(names)}
		for _, name := range []string{"accepted", "delivered", "failed", "not_known"}[:len(t.Head)-1] {
			c := counts[name]
			text := strings.TrimSpace(c.Words + " " + markup.Number(c.N))
			if sent := counts["accepted"]; name == "delivered" && sent.Words == "" {
				text = cmp.Or(markup.Share(c.N, sent.N), text)
			}
			r.Cells, of.AtLeast = append(r.Cells, text), of.AtLeast || c.AtLeast()
		}
		t.Rows = append(t.Rows, r)
	}
	return of
}

// largest lists the values by name, each with its tally. Those of too few people, and the smallest if there are too many,
// are one row. It goes by what may be shown alone: the order of other counts would tell them.
func largest(g report.Tallies, most int) (names []string, tallies [][]*report.Tally) {
	size := map[string]int64{}
	for value, t := range g.Values {
		if c := report.Counts(true, t)["accepted"]; c.Words == "fewer than" {
			size[value] = 1
		} else if c.N > 0 {
			size[value] = c.N
		}
	}
	values := slices.SortedFunc(maps.Keys(size), func(a, b string) int {
		return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(a, b))
	})
	n := len(values)
	if n > most {
		n = most - 1
	}
	for n > 0 && size[values[n-1]] < fewest {
		n--
	}
	for _, value := range slices.Sorted(slices.Values(values[:n])) {
		names, tallies = append(names, shortened(value, names)), append(tallies, []*report.Tally{g.Values[value]})
	}
	if len(values) > n {
		var rest []*report.Tally
		for _, value := range values[n:] {
			rest = append(rest, g.Values[value])
		}
		names, tallies = append(names, "Others ("+markup.Plural(int64(len(rest)), "value", "values")+")"), append(tallies, rest)
	}
	return names, tallies
}

// shortened is a value on the page. It is not one of names.
func shortened(value string, names []string) string {
	name := cmp.Or(markup.OneLine(value), "No value in the file")
	if r := []rune(name); len(r) > longestName {
		name = string(r[:longestName]) + "…"
	}
	for n, first := 2, name; slices.Contains(names, name); n++ {
		name = fmt.Sprintf("%s (%d)", first, n)
	}
	return name
}
