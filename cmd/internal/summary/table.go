package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/cmd/internal/markup"
	"cohort/engine/report"
	"cohort/ingest/person"
)

// kinds lists kinds by their words, the largest first. The smallest are one row if there are too many.
func kinds[K comparable](m map[K]int64, name func(K) string) (rows []markup.Row) {
	const most = 7
	all := map[string]int64{}
	for kind, n := range m {
		all[name(kind)] += n
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, markup.Row{Name: name, N: all[name]})
	}
	slices.SortStableFunc(rows, func(a, b markup.Row) int { return cmp.Compare(b.N, a.N) })
	if len(rows) > most {
		rest := markup.Row{Name: fmt.Sprintf("Other (%d more)", len(rows)-most+1)}
		for _, r := range rows[most-1:] {
			rest.N += r.N
		}
		rows = append(rows[:most-1], rest)
	}
	return rows
}

// Account has a row for each fate.
func (p *Page) Account() (rows []markup.Row) {
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
		rows = append(rows, markup.Row{Name: w.name, N: p.Fates[w.fate], Fill: w.fill})
	}
	return rows
}

// ByReason has a row for each reason of a fate.
func (p *Page) ByReason(fate string) []markup.Row {
	of := map[string]int64{}
	for r, n := range p.Reasons {
		if string(r.Fate) == fate {
			of[r.Code] = n
		}
	}
	return kinds(of, codeWords)
}

// ByFailure has a row for each reason why messages were not delivered.
func (p *Page) ByFailure() []markup.Row { return kinds(p.Failed, failureWords) }

// ByProgress has a row for each state of messages without an outcome.
func (p *Page) ByProgress() []markup.Row { return kinds(p.Open, progressWords) }

// ByChannel has a row for each channel that reached people, and for those who were not reached.
func (p *Page) ByChannel() (rows []markup.Row) {
	rest := maps.Clone(p.Reached)
	for i, channel := range [...]string{"nhsapp", "sms", "email", "letter"} {
		if n := p.Reached[channel]; n > 0 {
			rows = append(rows, markup.Row{Name: channelWords(channel), N: n, Fill: fmt.Sprintf("c%d", i+1)})
		}
		delete(rest, channel)
	}
	if n := rest[""]; n > 0 {
		rows = append(rows, markup.Row{Name: channelWords(""), N: n, Fill: "edge"})
	}
	if delete(rest, ""); len(rest) > 0 {
		rows = append(rows, markup.Row{Name: "Other channels", N: total(rest), Fill: "edge"})
	}
	return append(rows, markup.Row{Name: "Not delivered: every channel failed", N: p.Undelivered(), Fill: "cross"},
		markup.Row{Name: "No outcome known yet", N: p.Unknown(), Fill: "none"})
}

// ByDelay has a row for each time within which people had the message.
func (p *Page) ByDelay() (rows []markup.Row) {
	so := int64(0)
	for i, limit := range report.Delays {
		if so += p.Within[i]; p.Within[i] > 0 {
			rows = append(rows, markup.Row{Name: "Within " + markup.Span(limit), N: so})
		}
	}
	for _, r := range []markup.Row{{Name: "Later", N: p.Within[len(report.Delays)]}, {Name: "Time not known", N: p.Untimed}} {
		if r.N > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// Compared has a row for each figure of the previous run of the series and of this one.
func (p *Page) Compared() *markup.Table {
	was, now := &Page{Figures: p.Previous}, p
	t := &markup.Table{ID: "previous", Caption: "This run and the previous one", Head: []string{"", p.day(was), p.day(p), "Change"}}
	add := func(name string, cells ...string) { t.Rows = append(t.Rows, markup.Row{Name: name, Cells: cells}) }
	add("Records in the file", markup.Number(was.Records), markup.Number(now.Records), strings.Replace("+"+markup.Number(now.Records-was.Records), "+−", "−", 1))
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
	add("From the first message to the last", markup.Span(was.Last.Sub(was.First)), markup.Span(now.Last.Sub(now.First)), "")
	return t
}

// day names the day of a run's first message.
func (p *Page) day(of *Page) string {
	if of.First.IsZero() {
		return "Nothing sent"
	}
	return of.First.In(p.AsOf.Location()).Format("2 Jan 2006")
}
