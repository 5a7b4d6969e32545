package markup

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Table is a table of the page. ID is its own on the page.
type Table struct {
	ID, Caption string
	Head        []string
	Rows        []Row
	Stack       []Row  // a bar of 100% above it
	Desc        string // of the bar
	Bars        bool   // each row has a bar
	Dense       bool   // many rows
}

// Row is a row of a table, and a part of its bar.
type Row struct {
	Name  string
	N     int64
	Fill  string // of its swatch and its part of the bar
	Cells []string
	X, W  string // of its bar, in per cents
	Label string // above its part of the bar
	Sum   bool
}

// NewTable is a table of counts, with their shares of all unless they are few. The last row has all. Rows with a fill
// are parts of a bar.
func NewTable(id, caption string, head []string, rows []Row, of int64, all string) *Table {
	t := Plain(id, caption, head, rows, of, all)
	if len(head) > 2 && Share(of, of) == "" {
		t.Head = t.Head[:2]
	}
	for i := range t.Rows {
		t.Rows[i].Cells = append(t.Rows[i].Cells, Share(t.Rows[i].N, of))[:len(t.Head)-1]
	}
	t.stack(of)
	return t
}

// Plain is NewTable without shares and bar.
func Plain(id, caption string, head []string, rows []Row, of int64, all string) *Table {
	t := &Table{ID: id, Caption: caption, Head: head, Rows: slices.Clone(rows)}
	if all != "" {
		t.Rows = append(t.Rows, Row{Name: all, N: of, Sum: true})
	}
	for i := range t.Rows {
		t.Rows[i].Cells = []string{Number(t.Rows[i].N)}
	}
	return t
}

// stack makes a bar of the rows. A part is never too thin to see.
func (t *Table) stack(of int64) {
	const thinnest = 0.5
	var width, x float64
	wide := func(r *Row) float64 { return max(thinnest, 100*float64(r.N)/float64(of)) }
	for _, r := range t.Rows {
		if r.Fill != "" && r.N > 0 {
			t.Stack, width = append(t.Stack, r), width+wide(&r)
		}
	}
	for i := range t.Stack {
		p := &t.Stack[i]
		w := wide(p) * 100 / width
		p.X, p.W = Percent(x), Percent(w)
		name, _, _ := strings.Cut(p.Name, ":")
		if label := strings.TrimSpace(name + " " + Share(p.N, of)); float64(len(label)) < w { // it fits
			p.Label = label
		}
		t.Desc += fmt.Sprintf("%s %s. ", name, Number(p.N))
		x += w
	}
}

func Percent(x float64) string { return fmt.Sprintf("%.2f%%", x) }

// Bars gives the rows bars as long as their numbers.
func Bars(t *Table) *Table {
	most := int64(1)
	for _, r := range t.Rows {
		if !r.Sum {
			most = max(most, r.N)
		}
	}
	for i := range t.Rows {
		if r := &t.Rows[i]; !r.Sum {
			r.W = Percent(math.Max(1, 100*float64(r.N)/float64(most)))
		}
	}
	t.Bars = true
	return t
}
