package summary

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"cohort/engine/report"
	"cohort/ingest/person"
)

// table is a table of the page. ID is its own on the page.
type table struct {
	ID, Caption string
	Head        []string
	Rows        []row
	Stack       []row  // a bar of 100% above it
	Desc        string // of the bar
	Bars        bool   // each row has a bar
	Dense       bool   // many rows
}

type row struct {
	Name  string
	N     int64
	Fill  string // of its swatch and its part of the bar
	Cells []string
	X, W  string // of its bar, in per cents
	Label string // above its part of the bar
	Sum   bool
}

// newTable is a table of counts, with their shares of all unless they are few. The last row has all. Rows with a fill
// are parts of a bar.
func newTable(id, caption string, head []string, rows []row, of int64, all string) *table {
	t := plain(id, caption, head, rows, of, all)
	if len(head) > 2 && share(of, of) == "" {
		t.Head = t.Head[:2]
	}
	for i := range t.Rows {
		t.Rows[i].Cells = append(t.Rows[i].Cells, share(t.Rows[i].N, of))[:len(t.Head)-1]
	}
	t.stack(of)
	return t
}

// plain is newTable without shares and bar.
func plain(id, caption string, head []string, rows []row, of int64, all string) *table {
	t := &table{ID: id, Caption: caption, Head: head, Rows: slices.Clone(rows)}
	if all != "" {
		t.Rows = append(t.Rows, row{Name: all, N: of, Sum: true})
	}
	for i := range t.Rows {
		t.Rows[i].Cells = []string{number(t.Rows[i].N)}
	}
	return t
}

// stack makes a bar of the rows. A part is never too thin to see.
func (t *table) stack(of int64) {
	const thinnest = 0.5
	var width, x float64
	wide := func(r *row) float64 { return max(thinnest, 100*float64(r.N)/float64(of)) }
	for _, r := range t.Rows {
		if r.Fill != "" && r.N > 0 {
			t.Stack, width = append(t.Stack, r), width+wide(&r)
		}
	}
	for i := range t.Stack {
		p := &t.Stack[i]
		w := wide(p) * 100 / width
		p.X, p.W = percent(x), percent(w)
		name, _, _ := strings.Cut(p.Name, ":")
		if label := strings.TrimSpace(name + " " + share(p.N, of)); float64(len(label)) < w { // it fits
			p.Label = label
		}
		t.Desc += fmt.Sprintf("%s %s. ", name, number(p.N))
		x += w
	}
}

func percent(x float64) string { return fmt.Sprintf("%.2f%%", x) }

// bars gives the rows bars as long as their numbers.
func bars(t *table) *table {
	most := int64(1)
	for _, r := range t.Rows {
		if !r.Sum {
			most = max(most, r.N)
		}
	}
	for i := range t.Rows {
		if r := &t.Rows[i]; !r.Sum {
			r.W = percent(math.Max(1, 100*float64(r.N)/float64(most)))
		}
	}
	t.Bars = true
	return t
}

// kinds lists kinds by their words, the largest first. The smallest are one row if there are too many.
func kinds[K comparable](m map[K]int64, name func(K) string) (rows []row) {
	const most = 7
	all := map[string]int64{}
	for kind, n := range m {
		all[name(kind)] += n
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, row{Name: name, N: all[name]})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.N, a.N) })
	if len(rows) > most {
		rest := row{Name: fmt.Sprintf("Other (%d more)", len(rows)-most+1)}
		for _, r := range rows[most-1:] {
			rest.N += r.N
		}
		rows = append(rows[:most-1], rest)
	}
	return rows
}

// Account has a row for each fate.
func (p *Page) Account() (rows []row) {
	accepted := "Accepted: the service took the message"
	if p.InFiles() {
		accepted = "Accepted: the message is in a file"
	}
	for _, w := range [...]struct {
		fate       person.Fate
		name, fill string
	}{
		{person.Accepted, accepted, "c1"}, {person.Refused, "Refused: the service said no", "c4"},
		{person.InDoubt, "In doubt: the answer never came", "c3"}, {person.NotSent, "Not sent: not tried, or certainly not taken", "none"},
		{person.Suppressed, "Suppressed: a person who must not be sent to", "out"},
		{person.Invalid, "Invalid: the record has a fault", "out"}, {person.Duplicate, "Duplicate: another record of the same person", "out"},
	} {
		rows = append(rows, row{Name: w.name, N: p.Fates[w.fate], Fill: w.fill})
	}
	return rows
}

// ByReason has a row for each reason of a fate.
func (p *Page) ByReason(fate string) []row {
	of := map[string]int64{}
	for r, n := range p.Reasons {
		if string(r.Fate) == fate {
			of[r.Code] = n
		}
	}
	return kinds(of, codeWords)
}

// ByFailure has a row for each reason why messages were not delivered.
func (p *Page) ByFailure() []row { return kinds(p.Failed, failureWords) }

// ByProgress has a row for each state of messages without an outcome.
func (p *Page) ByProgress() []row { return kinds(p.Open, progressWords) }

// ByChannel has a row for each channel that reached people, and for those who were not reached.
func (p *Page) ByChannel() (rows []row) {
	rest := maps.Clone(p.Reached)
	for i, channel := range [...]string{"nhsapp", "sms", "email", "letter"} {
		if n := p.Reached[channel]; n > 0 {
			rows = append(rows, row{Name: channelWords(channel), N: n, Fill: fmt.Sprintf("c%d", i+1)})
		}
		delete(rest, channel)
	}
	if n := rest[""]; n > 0 {
		rows = append(rows, row{Name: channelWords(""), N: n, Fill: "edge"})
	}
	if delete(rest, ""); len(rest) > 0 {
		rows = append(rows, row{Name: "Other channels", N: total(rest), Fill: "edge"})
	}
	return append(rows, row{Name: "Not delivered: every channel failed", N: p.Undelivered(), Fill: "cross"},
		row{Name: "No outcome known yet", N: p.Unknown(), Fill: "none"})
}

// ByDelay has a row for each time within which people had the message.
func (p *Page) ByDelay() (rows []row) {
	so := int64(0)
	for i, limit := range report.Delays {
		if so += p.Within[i]; p.Within[i] > 0 {
			rows = append(rows, row{Name: "Within " + span(limit), N: so})
		}
	}
	for _, r := range []row{{Name: "Later", N: p.Within[len(report.Delays)]}, {Name: "Time not known", N: p.Untimed}} {
		if r.N > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// Compared has a row for each figure of the previous run of the series and of this one.
func (p *Page) Compared() *table {
	was, now := &Page{Figures: p.Previous}, p
	t := &table{ID: "previous", Caption: "This run and the previous one", Head: []string{"", p.day(was), p.day(p), "Change"}}
	add := func(name string, cells ...string) { t.Rows = append(t.Rows, row{Name: name, Cells: cells}) }
	add("Records in the file", number(was.Records), number(now.Records), strings.Replace("+"+number(now.Records-was.Records), "+−", "−", 1))
	for _, c := range []struct {
		name  string
		n, of func(*Page) int64
	}{
		{"Left out", (*Page).LeftOut, func(p *Page) int64 { return p.Records }}, {"Delivered", (*Page).Delivered, (*Page).Accepted},
		{"Not delivered", (*Page).Undelivered, (*Page).Accepted}, {"No outcome known yet", (*Page).Unknown, (*Page).Accepted},
	} {
		before, after := 100*float64(c.n(was))/float64(max(1, c.of(was))), 100*float64(c.n(now))/float64(max(1, c.of(now)))
		change := strings.Replace(fmt.Sprintf("%+.1f points", after-before), "-", "−", 1)
		add(c.name, fmt.Sprintf("%.1f%%", before), fmt.Sprintf("%.1f%%", after), change)
	}
	add("From the first message to the last", span(was.Last.Sub(was.First)), span(now.Last.Sub(now.First)), "")
	return t
}

// day names the day of a run's first message.
func (p *Page) day(of *Page) string {
	if of.First.IsZero() {
		return "Nothing sent"
	}
	return of.First.In(p.AsOf.Location()).Format("2 Jan 2006")
}
