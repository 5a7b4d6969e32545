package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/engine/report"
)

const (
	fewest     = 5  // smaller counts are withheld, but not 0
	mostGroups = 44 // rows on the page
	mostColumn = 3  // columns on the page

	longestName = 70 // characters of a value on the page
)

// group is a column on the page.
type group struct {
	Column   string
	Withheld bool
	*table
}

// Grouped has a table for each of the first kept columns.
func (p *Page) Grouped() (all []group) {
	shown := p.Groups[:min(mostColumn, len(p.Groups))]
	for i, g := range shown { // another head takes the room of some rows
		all = append(all, p.group(fmt.Sprintf("group%d", i), g, max(6, (mostGroups-12*(len(shown)-1))/len(shown))))
	}
	return all
}

// cell is a count of a group.
type cell struct {
	n             int64
	small, hidden bool // hidden: withheld because it would tell a small one
}

func (p *Page) group(id string, g report.Tallies, most int) group {
	column := strings.ReplaceAll(g.Column, "_", " ")
	if len(column) < 4 { // such as ICB and GP
		column = strings.ToUpper(column)
	}
	t := &table{ID: id, Caption: "People by " + column, Head: []string{capital(column), "Sent to", "Delivered", "Not delivered", "Not known"}, Dense: true}
	if p.Known == 0 {
		t.Head = t.Head[:2]
	}
	names, tallies := largest(g, most)
	cells := make([][]cell, len(tallies))
	for i, t := range tallies {
		for _, n := range []int64{t.Sent, t.Delivered, t.Failed, t.Sent - t.Delivered - t.Failed} {
			cells[i] = append(cells[i], cell{n: n, small: n > 0 && n < fewest})
		}
	}
	protect(cells)
	cells = append(cells, []cell{{n: p.Accepted()}, {n: p.Delivered()}, {n: p.Undelivered()}, {n: p.Unknown()}})
	of := group{Column: column, table: t}
	for i, c := range cells {
		r := row{Name: append(names, "All")[i], Sum: i == len(tallies)}
		for j := range t.Head[1:] {
			text := number(c[j].n)
			switch {
			case c[j].small:
				text = fmt.Sprintf("fewer than %d", fewest)
			case c[j].hidden:
				text = "withheld"
			case j == 1 && !c[0].small && !c[0].hidden:
				text = cmp.Or(share(c[1].n, c[0].n), text)
			}
			of.Withheld = of.Withheld || c[j].hidden
			r.Cells = append(r.Cells, text)
		}
		t.Rows = append(t.Rows, r)
	}
	return of
}

// largest lists the values by name. Those of too few people, and the smallest if there are too many, are one row.
func largest(g report.Tallies, most int) (names []string, tallies []*report.Tally) {
	values := slices.SortedFunc(maps.Keys(g.Values), func(a, b string) int {
		return cmp.Or(cmp.Compare(g.Values[b].Sent, g.Values[a].Sent), cmp.Compare(a, b))
	})
	n := len(values)
	if n > most {
		n = most - 1
	}
	for n > 0 && g.Values[values[n-1]].Sent < fewest {
		n--
	}
	rest := report.Tally{}
	for _, value := range values[n:] {
		rest.Add(*g.Values[value])
	}
	for _, value := range slices.Sorted(slices.Values(values[:n])) {
		name := cmp.Or(value, "No value in the file")
		if r := []rune(name); len(r) > longestName {
			name = string(r[:longestName]) + "…"
		}
		names, tallies = append(names, name), append(tallies, g.Values[value])
	}
	if len(values) > n {
		names, tallies = append(names, "Others ("+plural(int64(len(values)-n), "value", "values")+")"), append(tallies, &rest)
	}
	return names, tallies
}

// protect hides more cells until nobody can work out a small one from the sums. In each row and in each column, either
// nothing is withheld or two cells are.
func protect(cells [][]cell) {
	for changed := true; changed; {
		changed = false
		line := func(of []*cell) {
			var least *cell
			withheld := 0
			for _, c := range of {
				if c.small || c.hidden {
					withheld++
				} else if c.n > 0 && (least == nil || c.n < least.n) {
					least = c
				}
			}
			if withheld == 1 && least != nil {
				least.hidden, changed = true, true
			}
		}
		for j := range 4 {
			column := []*cell{}
			for i := range cells {
				column = append(column, &cells[i][j])
				line([]*cell{&cells[i][1], &cells[i][2], &cells[i][3]})
			}
			line(column)
		}
	}
}
