package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	fewest     = 5  // smaller counts are withheld
	mostGroups = 44 // rows of groups on the page
	mostColumn = 3  // columns on the page
	shortName  = 20 // characters; tables with longer names do not stand side by side
)

// cell is a count of a group.
type cell struct {
	n     int64
	small bool // fewer than fewest
	away  bool // withheld because it would tell another
}

func (c *cell) hidden() bool { return c.small || c.away }

func (c *cell) text() string {
	switch {
	case c.small:
		return fmt.Sprintf("fewer than %d", fewest)
	case c.away:
		return "withheld"
	}
	return number(c.n)
}

// groups has a section for each column with values.
func (f *Figures) groups() (all []section) {
	if f.accepted() == 0 {
		return nil
	}
	shown := f.Groups[:min(mostColumn, len(f.Groups))]
	for _, g := range shown { // another head takes the room of some rows
		all = append(all, f.group(&g, max(6, (mostGroups-12*(len(shown)-1))/len(shown))))
	}
	if rest := len(f.Groups) - len(shown); rest > 0 {
		all[len(all)-1].Note = plural(int64(rest), "more column is not shown.", "more columns are not shown.")
	}
	return all
}

func (f *Figures) group(g *Group, most int) section {
	s := section{Title: "By " + columnWords(g.Column), Intro: "Shares are of those sent to."}
	names, tallies := g.rows(most)
	if len(names) == 0 || f.accepted() < fewest {
		s.Intro = fmt.Sprintf("Not shown: fewer than %d people were sent to.", fewest)
		return s
	}
	cells := make([][]cell, len(tallies))
	for i, t := range tallies {
		cells[i] = cellsOf(t, fewest)
	}
	protect(cells)
	all := Tally{f.accepted(), f.delivered(), f.failed()}
	names, cells = append(names, "All"), append(cells, cellsOf(&all, 0))
	t := table{Dense: true, Head: []string{headOf(g.Column), "Sent to", "Delivered", "Not delivered", "Not known"}}
	if f.Events == 0 {
		t.Head = t.Head[:2]
	}
	hidden := false
	for i, c := range cells {
		r := row{Name: names[i], Sum: i == len(cells)-1}
		for j := range t.Head[1:] {
			text := c[j].text()
			if hidden = hidden || c[j].hidden(); j == 1 && !c[0].hidden() && !c[1].hidden() {
				text = cmp.Or(share(c[1].n, c[0].n), text)
			}
			r.Cells = append(r.Cells, text)
		}
		t.Rows = append(t.Rows, r)
	}
	if hidden {
		s.Intro += fmt.Sprintf(" Withheld: it would tell a count of fewer than %d people.", fewest)
	}
	half := len(t.Rows)
	long := slices.ContainsFunc(names, func(name string) bool { return len(name) > shortName })
	if s.Pair = half > 12 && !long; s.Pair {
		half = (half + 1) / 2
	}
	for part := range slices.Chunk(t.Rows, half) {
		of := t
		of.Rows, of.Caption = part, fmt.Sprintf("%s, from %s to %s", s.Title, part[0].Name, part[len(part)-1].Name)
		s.Tables = append(s.Tables, of)
	}
	return s
}

// cellsOf counts a group. Counts between 0 and least are small.
func cellsOf(t *Tally, least int64) (cells []cell) {
	for _, n := range []int64{t.Sent, t.Delivered, t.Failed, t.open()} {
		cells = append(cells, cell{n: n, small: n > 0 && n < least})
	}
	return cells
}

// columnWords is a column's name in words.
func columnWords(column string) string {
	if slices.Contains([]string{"icb", "gp", "pcn", "ods", "lsoa", "imd"}, column) {
		return strings.ToUpper(column)
	}
	return strings.ReplaceAll(column, "_", " ")
}

// headOf is columnWords at the head of a table.
func headOf(column string) string {
	return capital(columnWords(column))
}

// rows lists the values by name. Those of too few people, and the smallest if there are too many, are one row.
func (g *Group) rows(most int) (names []string, tallies []*Tally) {
	shown := slices.Sorted(maps.Keys(g.Values))
	bySize := slices.SortedFunc(slices.Values(shown), func(a, b string) int {
		return cmp.Or(cmp.Compare(g.Values[b].Sent, g.Values[a].Sent), cmp.Compare(a, b))
	})
	rest := map[string]bool{}
	others := &Tally{}
	for i, value := range bySize {
		if t := g.Values[value]; t.Sent < fewest || value == tooMany || len(bySize) > most && i >= most-1 {
			rest[value] = true
			others.add(t)
		}
	}
	for _, value := range shown {
		if !rest[value] {
			names, tallies = append(names, cmp.Or(value, noValue)), append(tallies, g.Values[value])
		}
	}
	if len(rest) > 0 {
		names, tallies = append(names, fmt.Sprintf("Others (%s)", plural(int64(len(rest)), "value", "values"))), append(tallies, others)
	}
	return names, tallies
}

// protect withholds more cells until nobody can work out a small one: in each row, and in each column, with their
// sums, either nothing is withheld or two cells are.
func protect(cells [][]cell) {
	line := func(of []*cell) (changed bool) {
		var least *cell
		hidden := 0
		for _, c := range of {
			if c.hidden() {
				hidden++
			} else if c.n > 0 && (least == nil || c.n < least.n) {
				least = c
			}
		}
		if hidden == 1 && least != nil {
			least.away = true
		}
		return hidden == 1 && least != nil
	}
	for changed := true; changed; {
		changed = false
		for i := range cells {
			changed = line([]*cell{&cells[i][1], &cells[i][2], &cells[i][3]}) || changed
		}
		for j := range 4 {
			column := []*cell{}
			for i := range cells {
				column = append(column, &cells[i][j])
			}
			changed = line(column) || changed
		}
	}
}
