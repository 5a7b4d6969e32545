package summary

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"cohort/ingest/person"
)

//go:embed summary.html
var pageText string

//go:embed summary.css
var style string

var page = template.Must(template.New("summary").Parse(pageText))

// view is the page as the template shows it.
type view struct {
	Title, Headline, Note string
	AsOf, Left            string // Left: what is left to send; empty: nothing is
	Complete              bool
	Keys                  []key
	Purpose               []Fact
	Sections              []section
	Policy                string
	Style                 template.CSS
	Foot                  string
}

// key is a key figure.
type key struct{ Name, Value, Under string }

type section struct {
	ID                 int
	Title, Intro, Note string
	Beside             *section // takes half of the width
	Pair               bool     // the tables stand side by side
	Stack              *stack
	Area               *area
	Tables             []table
}

// stack is a bar of 100%.
type stack struct {
	Desc  string
	Parts []row
}

type table struct {
	Caption string
	Head    []string // none: there is no head
	Rows    []row
	Text    bool // the cells are texts
	Dense   bool // many rows
}

type row struct {
	Name  string
	N     int64
	Fill  string // of its swatch and its part of a stack
	Cells []string
	Bar   bool   // a bar comes before the cells
	X, W  string // per cents: of the bar
	Label string // above its part of a stack
	Sum   bool
}

// Render writes the page.
func Render(w io.Writer, f *Figures) error {
	v := view{
		Title: f.Title, Headline: f.headline(), Note: f.note(), AsOf: f.AsOf.Format("Monday 2 January 2006, 15:04 MST"),
		Complete: f.complete(), Purpose: f.Purpose, Keys: f.keys(),
	}
	if f.left() > 0 {
		v.Left = people(f.left()) + " left"
	}
	delays, open := f.delays(), f.stillOpen()
	if delays.Title != "" && open.Title != "" {
		beside := open
		delays.Beside, open = &beside, section{}
	}
	all := []section{f.account(), f.leftOutByRule(), f.compared(), f.reached(), delays, open, f.failures(), f.sending()}
	all = append(append(all, f.groups()...), f.about())
	v.Sections = slices.DeleteFunc(all, func(s section) bool { return s.Title == "" })
	for i := range v.Sections {
		if v.Sections[i].ID = 2 * i; v.Sections[i].Beside != nil {
			v.Sections[i].Beside.ID = 2*i + 1
		}
	}
	v.Foot = fmt.Sprintf("%s, run %.8s", f.Campaign, f.RunID)
	v.Style = template.CSS(style + fmt.Sprintf(`@page{@bottom-left{content:"%s · as of %s · complete: %s"}}`,
		v.Foot, f.AsOf.Format("2 January 2006, 15:04"), map[bool]string{false: "no", true: "yes"}[v.Complete]))
	sum := sha256.Sum256([]byte(v.Style))
	v.Policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'"
	return page.Execute(w, v)
}

// headline is the result in one sentence.
func (f *Figures) headline() string {
	n, got := f.accepted(), f.delivered()
	soFar := ""
	if f.left() > 0 {
		soFar = "so far "
	}
	switch refused := f.Fates[person.Refused]; {
	case f.Records == 0:
		return "The file has no records."
	case n == 0 && f.left() > 0:
		return fmt.Sprintf("Nobody is known to have been sent to yet: %s left.", people(f.left())+isAre(f.left()))
	case n == 0 && refused > 0:
		return fmt.Sprintf("Nobody was sent to: the service refused %s.", plural(refused, "message", "messages"))
	case n == 0:
		return fmt.Sprintf("Nobody was sent to. All %s were left out.", plural(f.Records, "record", "records"))
	case f.Files && got == 0 && f.failed() == 0:
		return fmt.Sprintf("%s %s in files.", plural(n, "message", "messages"), map[bool]string{true: "stands", false: "stand"}[n == 1])
	case n == 1 && got == 1:
		return "The one person sent to is known to have it."
	case n == 1 && f.failed() == 1:
		return "The one person sent to was not reached."
	case n == 1:
		return "Nothing is known yet of the one person sent to."
	case got == 0 && f.failed() == 0:
		return fmt.Sprintf("%s people were %ssent to. Nothing is known yet of what they received.", number(n), soFar)
	}
	of := ""
	if s := share(got, n); s != "" {
		of = " (" + s + ")"
	}
	return fmt.Sprintf("%s of the %s people %ssent to%s known to have it%s.", number(got), number(n), soFar, isAre(got), of)
}

func isAre(n int64) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// note says what is still to come.
func (f *Figures) note() string {
	var all []string
	if strings.HasSuffix(f.Service, " simulator") {
		all = append(all, "This was a rehearsal with a simulator: nobody was sent anything.")
	}
	if n := f.Fates[person.InDoubt]; n > 0 {
		all = append(all, fmt.Sprintf("The answer for %s never came: they may have the message.", plural(n, "message", "messages")))
	}
	if n := f.Contradicted; n > 0 {
		all = append(all, fmt.Sprintf("The service speaks of %s that this account does not call accepted: see cohort status.", plural(n, "message", "messages")))
	}
	switch n := f.open(); {
	case n == 0 && f.accepted() > 0 && len(all) == 0 && f.left() == 0:
		all = append(all, "The outcome of every message is known.")
	case n > 0 && f.Files && f.Events == 0:
		all = append(all, "These files are handed over by a person. What became of them is not known here.")
	case n > 0:
		text := fmt.Sprintf("No outcome is known yet of %s.", people(n))
		if end := f.Last.Add(longest); !f.Last.IsZero() && f.left() == 0 && end.After(f.AsOf) {
			text += " The figures will be final by " + end.Format("Monday 2 January") + "."
		} else if f.Overdue > 0 {
			text += fmt.Sprintf(" Of these, %s overdue.", number(f.Overdue)+isAre(f.Overdue))
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func (f *Figures) keys() []key {
	n, of := f.accepted(), func(n int64) string { return cmp.Or(share(n, f.Records), number(n)) }
	keys := []key{
		{"Records in the file", number(f.Records), number(f.leftOut()) + " left out"},
		{"People sent to", number(n), of(n) + " of records"},
	}
	if s := share(n, f.Records); s == "" {
		keys[1].Under = "the service took the message"
	}
	if n == 0 || f.Files && f.Events == 0 {
		return keys
	}
	for _, k := range []struct {
		name string
		n    int64
	}{{"Delivered", f.delivered()}, {"Not delivered", f.failed()}, {"No outcome known yet", f.open()}} {
		s := share(k.n, n)
		under := people(k.n)
		if s == "" {
			s, under = number(k.n), "of "+number(n)
		}
		keys = append(keys, key{k.name, s, under})
	}
	return keys
}

func (f *Figures) account() section {
	var rows []row
	for _, w := range fateWords {
		rows = append(rows, row{Name: w.name, N: f.Fates[w.fate], Fill: w.fill})
	}
	s := section{
		Title: "What became of every record", Intro: "Each record of the file is counted once, and nobody is missing.",
		Tables: []table{shares("Records by fate", "Fate", "Records", "Share of all records", rows, f.Records, "All records of the file")},
	}
	s.Stack = stackOf(s.Tables[0].Rows, f.Records)
	return s
}

// shares is a table of counts, with their shares unless they are few.
func shares(caption, head, unit, share1 string, rows []row, of int64, total string) table {
	rows = append(slices.Clone(rows), row{Name: total, N: of, Sum: true})
	t := table{Caption: caption, Head: []string{head, unit}}
	if share(of, of) != "" {
		t.Head = append(t.Head, share1)
	}
	for i := range rows {
		rows[i].Cells = append([]string{number(rows[i].N)}, share(rows[i].N, of))[:len(t.Head)-1]
	}
	t.Rows = rows
	return t
}

// stackOf makes a bar of the rows; nil when there is nothing to show. A part is never too thin to see.
func stackOf(rows []row, of int64) *stack {
	const thinnest = 0.5
	var width, x float64
	var texts []string
	wide := func(r *row) float64 { return max(thinnest, 100*float64(r.N)/float64(of)) }
	var parts []row
	for _, r := range rows {
		if r.Sum || r.Fill == "" || r.N == 0 {
			continue
		}
		parts, width = append(parts, r), width+wide(&r)
	}
	if len(parts) == 0 {
		return nil
	}
	for i := range parts {
		p := &parts[i]
		w := wide(p) * 100 / width
		p.X, p.W = percent(x), percent(w)
		name, _, _ := strings.Cut(p.Name, ":")
		texts = append(texts, fmt.Sprintf("%s %s", name, number(p.N)))
		if label := strings.TrimSpace(name + " " + share(p.N, of)); float64(len(label)) < w {
			p.Label = label
		}
		x += w
	}
	return &stack{strings.Join(texts, ", ") + ". Of " + number(of) + ".", parts}
}

func percent(x float64) string { return fmt.Sprintf("%.2f%%", x) }

// bars gives the rows bars as long as their numbers.
func bars(rows []row) {
	most := int64(1)
	for _, r := range rows {
		if !r.Sum {
			most = max(most, r.N)
		}
	}
	for i := range rows {
		rows[i].Bar = true
		if r := &rows[i]; r.N > 0 && !r.Sum {
			r.W = percent(math.Max(1, 100*float64(r.N)/float64(most)))
		}
	}
}

// mostRows limits the rows of reasons.
const mostRows = 7

// byReason lists the reasons of a fate, the largest first.
func (f *Figures) byReason(fate person.Fate, other string) []row {
	of := map[string]int64{}
	for r, n := range f.Reasons {
		if r.Fate == fate {
			of[r.Code] += n
		}
	}
	return fold(byCount(of, func(code string) string { return codeWords(code, other) }), mostRows)
}

// fold makes one row of all after the most.
func fold(rows []row, most int) []row {
	if len(rows) <= most {
		return rows
	}
	var rest row
	for _, r := range rows[most-1:] {
		rest.N += r.N
	}
	rest.Name = fmt.Sprintf("Other (%d more)", len(rows)-most+1)
	return append(rows[:most-1:most-1], rest)
}

func (f *Figures) leftOutByRule() section {
	if f.leftOut() == 0 {
		return section{}
	}
	s := section{
		Title: "Who was left out, by rule", Pair: true,
		Intro: fmt.Sprintf("%s of %s. A record is counted under the first rule that leaves it out.", number(f.leftOut()), plural(f.Records, "record", "records")),
	}
	add := func(caption string, rows []row, sums ...row) {
		t := table{Caption: caption, Head: []string{caption, "Records"}, Rows: append(rows, sums...)}
		for i := range t.Rows {
			t.Rows[i].Cells = []string{number(t.Rows[i].N)}
		}
		s.Tables = append(s.Tables, t)
	}
	suppressed, invalid, duplicate := f.Fates[person.Suppressed], f.Fates[person.Invalid], f.Fates[person.Duplicate]
	if suppressed > 0 {
		add("Must not be sent to", f.byReason(person.Suppressed, "Another list"), row{Name: "Suppressed", N: suppressed, Sum: true})
	}
	if invalid+duplicate > 0 {
		add("A fault in the record", f.byReason(person.Invalid, "Another fault"), row{Name: "Invalid", N: invalid, Sum: true},
			row{Name: "Duplicate: another record of the person", N: duplicate, Sum: true}, row{Name: "All left out", N: f.leftOut(), Sum: true})
	}
	return s
}

func (f *Figures) reached() section {
	s, n := section{Title: "How people were reached"}, f.accepted()
	switch {
	case n == 0:
		s.Intro = "Nothing was sent, so there is nothing to deliver."
		return s
	case f.Files && f.Events == 0:
		s.Intro = "Nothing known yet. The daily reports of NHS Notify tell it: cohort reconcile reads them."
		return s
	case f.Events == 0:
		s.Intro = "Nothing known yet: no word has come from the service."
		if !f.First.IsZero() {
			s.Intro += fmt.Sprintf(" It took the first message %s ago.", span(f.AsOf.Sub(f.First)))
		}
		return s
	}
	s.Intro = fmt.Sprintf("By the channel that reached the person first, of %s sent to.", number(n))
	order := []string{"nhsapp", "sms", "email", "letter"}
	rows := []row{}
	for _, channel := range order {
		if at := f.Reached[channel]; at > 0 {
			rows = append(rows, row{Name: channelName(channel), N: at, Fill: channelFill(channel)})
		}
	}
	others := map[string]int64{}
	for channel, at := range f.Reached {
		if !slices.Contains(order, channel) {
			others[channel] = at
		}
	}
	for _, r := range fold(byCount(others, channelName), 3) {
		r.Fill = "edge"
		rows = append(rows, r)
	}
	rows = append(rows, row{Name: "Not delivered: every channel failed", N: f.failed(), Fill: "cross"}, row{Name: "No outcome known yet", N: f.open(), Fill: "none"})
	s.Tables = []table{shares("People by the channel that reached them", "Reached by", "People", "Share of those sent to", rows, n, "Sent to (accepted)")}
	s.Stack = stackOf(s.Tables[0].Rows, n)
	return s
}

func (f *Figures) delays() section {
	got, n := f.delivered(), f.accepted()
	if got == 0 || got == f.Untimed {
		return section{}
	}
	s := section{Title: "How soon they had it", Intro: "Since the service took the message. Shares are of all sent to."}
	var rows []row
	so := int64(0)
	for i, limit := range Delays {
		if so += f.Within[i]; so > 0 && (f.Within[i] > 0 || len(rows) == 0) {
			rows = append(rows, row{Name: "Within " + delayWords(limit), N: so})
		}
	}
	if later := f.Within[len(Delays)]; later > 0 {
		rows = append(rows, row{Name: "Later than that", N: later})
	}
	if f.Untimed > 0 {
		rows = append(rows, row{Name: "At a time not known", N: f.Untimed})
	}
	t := shares("People by the time it took", "It took", "People", "Share", rows, n, "")
	t.Rows = t.Rows[:len(t.Rows)-1]
	bars(t.Rows)
	s.Tables = []table{t}
	return s
}

func (f *Figures) stillOpen() section {
	if f.open() == 0 || f.Events == 0 {
		return section{}
	}
	rows := fold(byCount(f.Open, func(words string) string { return cmp.Or(words, noWord) }), mostRows)
	s := section{
		Title: "No outcome known yet", Intro: "Neither delivered nor failed, as far as the service says.",
		Tables: []table{shares("People without an outcome, by what is known", "What is known", "People", "Share", rows, f.open(), "No outcome known yet")},
	}
	if f.Overdue > 0 {
		s.Note = fmt.Sprintf("%s overdue: the service took the message more than %s ago.", number(f.Overdue)+isAre(f.Overdue), delayWords(longest))
	}
	return s
}

func (f *Figures) failures() section {
	refused, failed := f.Fates[person.Refused], f.failed()
	if refused+failed == 0 {
		return section{}
	}
	s := section{
		Title: "Why " + people(refused+failed) + " did not get it", Intro: "The last reason that the service gave.",
		Pair: refused > 0 && failed > 0,
	}
	add := func(caption string, rows []row, n int64, total string) {
		t := shares(caption, caption, "People", "Share", rows, n, total)
		bars(t.Rows)
		s.Tables = append(s.Tables, t)
	}
	if failed > 0 {
		add("Not delivered", fold(byCount(f.Failed, func(words string) string { return words }), mostRows), failed, "Not delivered")
	}
	if refused > 0 {
		add("Refused at once", f.byReason(person.Refused, "Another reason"), refused, "Refused")
	}
	return s
}

func (f *Figures) compared() section {
	was := f.Previous
	if was == nil {
		return section{}
	}
	t := table{Caption: "This run and the previous run of the series", Head: []string{"", when(was), when(f), "Change"}}
	add := func(name, before, now, change string) {
		t.Rows = append(t.Rows, row{Name: name, Cells: []string{cmp.Or(before, "none"), cmp.Or(now, "none"), change}})
	}
	add("Records in the file", number(was.Records), number(f.Records), signed(f.Records-was.Records))
	part := func(name string, n func(*Figures) int64, of func(*Figures) int64) {
		if of(was) == 0 || of(f) == 0 {
			return
		}
		before, now := 100*float64(n(was))/float64(of(was)), 100*float64(n(f))/float64(of(f))
		add(name, fmt.Sprintf("%.1f%%", before), fmt.Sprintf("%.1f%%", now), points(now-before))
	}
	records := func(f *Figures) int64 { return f.Records }
	part("Left out", (*Figures).leftOut, records)
	part("Delivered", (*Figures).delivered, (*Figures).accepted)
	part("Not delivered", (*Figures).failed, (*Figures).accepted)
	part("No outcome known yet", (*Figures).open, (*Figures).accepted)
	if !was.First.IsZero() && !f.First.IsZero() {
		add("From the first message to the last", span(was.Last.Sub(was.First)), span(f.Last.Sub(f.First)), "")
	}
	return section{
		Title: "Compared with the previous run", Intro: "The previous run is shown as it was at the same age. Shares of outcomes are of those sent to.",
		Tables: []table{t},
	}
}

// when says when a run was sent.
func when(f *Figures) string {
	if f.First.IsZero() {
		return f.AsOf.Format("2 Jan 2006")
	}
	return f.First.In(f.AsOf.Location()).Format("2 Jan 2006")
}

func signed(n int64) string {
	if n > 0 {
		return "+" + number(n)
	}
	return number(n)
}

func points(d float64) string {
	if d = math.Round(d*10) / 10; d == 0 {
		return "no change"
	}
	return strings.Replace(fmt.Sprintf("%+.1f points", d), "-", "−", 1)
}

// about says which run this is, and what proves it.
func (f *Figures) about() section {
	t := table{Caption: "The run", Text: true}
	for _, fact := range [...]Fact{
		{"Campaign and run", f.Campaign + ", " + f.RunID}, {"Sent with", f.Service + ", by cohort " + f.Version}, {"Digest of the cohort file", f.Cohort},
		{"Digest of the plan", f.Plan},
	} {
		if fact.Text != "" {
			t.Rows = append(t.Rows, row{Name: fact.Name, Cells: []string{fact.Text}})
		}
	}
	return section{Title: "About this run", Intro: "This page holds no personal data. The outcome of each record is in report.parquet, in the run's folder.", Tables: []table{t}}
}

func day(t time.Time) string { return t.Format("Monday 2 January 2006") }
