package summary

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/cmd/internal/markup"
	"cohort/engine/report"
)

// A page is one file of at most 300 kB. It has no script, no style attribute, and nothing to fetch. Each chart has a
// name and a description.
func TestAPageNeedsNothingElse(t *testing.T) {
	wrong := regexp.MustCompile(`(?i)<script|style=|<link rel="(stylesheet|preload)|<img|<iframe|@import|\son[a-z]+=|(src|href)="[^#d]`)
	for name, figures := range cases {
		page := render(t, figures())
		if len(page) > 300_000 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
		if found := wrong.Find(page); found != nil {
			t.Errorf("%s: it has %q", name, found)
		}
		images := regexp.MustCompile(`<svg[^>]*role="img"`).FindAll(page, -1)
		if n := len(regexp.MustCompile(`role="img" aria-labelledby="[\w-]+ [\w-]+"><title id="[\w-]+">[^<]+</title><desc id="[\w-]+">[^<]+</desc>`).FindAll(page, -1)); n != len(images) {
			t.Errorf("%s: %d of %d charts have a title and a description", name, n, len(images))
		}
		if hidden := bytes.Count(page, []byte("<svg")) - bytes.Count(page, []byte(`aria-hidden="true"`)) - len(images); hidden > 1 { // the one inside the chart
			t.Errorf("%s: %d drawings are neither named nor hidden", name, hidden)
		}
	}
	for _, text := range []string{`<p style="x">`, `<SCRIPT>`, `<a href="https://x">`, `<p onclick="x">`} {
		if !wrong.MatchString(text) {
			t.Errorf("%s is not found", text)
		}
	}
}

// What a service or a file says is never markup, and no text that somebody typed is shown as a code.
func TestTextsOfOthersAreNotTrusted(t *testing.T) {
	const number, name = "9434765919", "Philomena Canary"
	p := hundred()
	p.Title = `<b onclick="x">`
	p.Reasons[because("suppressed", "for "+name)], p.Fates["suppressed"] = 1, 4
	p.Failed[report.Failure{Code: number}] = 1
	p.Failed[report.Failure{Channel: name, Supplier: "returned"}] = 1
	p.Open[report.Progress{Channel: name}] = 1
	p.Reached[name] = 1
	page := string(render(t, p))
	for _, canary := range []string{number, name, `<b onclick`} {
		if strings.Contains(page, canary) {
			t.Errorf("the page has %s", canary)
		}
	}
	if !strings.Contains(page, "&lt;b onclick") || !strings.Contains(page, "Another one") {
		t.Error("the page has not what takes their place")
	}
}

// Values stay distinct, and nothing that somebody typed hides or turns a text.
func TestTextsAreShownAsTheyAre(t *testing.T) {
	long := strings.Repeat("x", longestName)
	p := hundred()
	p.Title, p.Purpose.Text = "Flu \u202e4202\u2066 \x1b[2J", "Why\n\u200fnot"
	p.Groups[0].Column, p.Groups[0].Values = "clínic\u202e", map[string]*report.Tally{
		long + "1": tally(9, 9, 0), long + "2": tally(9, 9, 0), "a\u202eb": tally(9, 9, 0), "ab": tally(9, 9, 0), "": tally(9, 9, 0), "\u200b": tally(9, 9, 0),
	}
	page := string(render(t, p))
	if found := regexp.MustCompile(`[\p{Cf}\x00-\x09\x0b-\x1f]`).FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	for _, want := range []string{"Flu 4202 [2J", "Why not", "Clínic", long + "…<", long + "… (2)<", ">ab<", ">ab (2)<", ">No value in the file<", ">No value in the file (2)<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

func TestHeadlines(t *testing.T) {
	for name, want := range map[string]string{
		"0": "Nobody was sent to. All 12 records were left out.", "1": "The one person sent to is known to have it.",
		"100": "92 of the 100 people sent to are known to have it (92%).", "files": "100 messages are in files.",
		"3400000":    "3,063,833 of the 3,241,876 people sent to are known to have it (94.5%).",
		"unfinished": "2,821,957 of the 3,000,000 people so far sent to are known to have it (94.1%).",
	} {
		if page := string(render(t, cases[name]())); !strings.Contains(page, `<p class="headline">`+want+`</p>`) {
			t.Errorf("%s: the headline is not %q: %s", name, want, regexp.MustCompile(`"headline">.*`).FindString(page))
		}
	}
}

func TestSharesAndSpans(t *testing.T) {
	for _, test := range []struct {
		n, of int64
		want  string
	}{
		{3, 9, ""}, {0, 0, ""}, {5, 10, "50%"}, {1, 999, "under 1%"}, {998, 999, "over 99%"}, {0, 10, "0%"}, {10, 10, "100%"},
		{1, 3_400_000, "under 0.1%"}, {3_399_999, 3_400_000, "over 99.9%"}, {945, 1000, "94.5%"}, {0, 1000, "0%"},
	} {
		if got := markup.Share(test.n, test.of); got != test.want {
			t.Errorf("%d of %d is %q, want %q", test.n, test.of, got, test.want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "1 second", 59 * time.Second: "59 seconds", time.Minute: "1 minute", time.Hour: "1 hour", 24 * time.Hour: "24 hours",
		48 * time.Hour: "2 days", 15*time.Hour + 31*time.Minute: "15 h 31 min", 73*time.Hour + time.Minute: "3 days 1 h",
	} {
		if got := markup.Span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// Nobody can work out a count of one to four people from the table of a column, also beside that of cohort report --by:
// behind each pair of tables are cohorts in which it is another count.
func TestGroupsTellNoSmallCount(t *testing.T) {
	type cohort [6]int64
	const most = 7 // people in a cell
	counts := func(c cohort) (all []int64) {
		all = append(all, c[:]...)
		for _, g := range [][]int64{c[:3], c[3:]} {
			all = append(all, g[0]+g[1]+g[2])
		}
		return append(all, c[0]+c[3], c[1]+c[4], c[2]+c[5])
	}
	p, tables := base(""), map[string][]cohort{}
	p.Known = 1
	for n := range int64(most * most * most * most * most * most) {
		var c cohort
		for i := range c {
			c[i], n = n%most, n/most
		}
		a, b := &report.Tally{1: c[0], 2: c[1], 3: c[2]}, &report.Tally{1: c[3], 2: c[4], 3: c[5]}
		shown := fmt.Sprint(p.group("g", report.Tallies{Column: "icb", Values: map[string]*report.Tally{"a": a, "b": b}}, 6).Rows,
			report.Counts(true, a), report.Counts(true, b), report.Counts(true, a, b))
		tables[shown] = append(tables[shown], c)
	}
	small := 0
	for shown, cohorts := range tables {
		for k, n := range counts(cohorts[0]) {
			if n == 0 || n >= fewest {
				continue
			}
			small++
			if !slices.ContainsFunc(cohorts, func(other cohort) bool { return counts(other)[k] != n }) {
				t.Fatalf("count %d is %d in all %d cohorts with %s", k, n, len(cohorts), shown)
			}
		}
	}
	if small < 1000 {
		t.Errorf("only %d small counts were looked for", small)
	}
}

// The periods of a table are few, and hold everything that was sent, also over a change of the clock.
func TestPeriods(t *testing.T) {
	for _, took := range []time.Duration{quarter, 5 * time.Hour, 16 * time.Hour, 30 * time.Hour, 9 * 24 * time.Hour, 400 * 24 * time.Hour} {
		for hour := range 48 {
			first := time.Date(2026, 10, 24, hour, 7, 0, 0, london) // the clocks change on the 25th
			bounds := periods(first, first.Add(took))
			n := len(bounds)
			if n < 2 || n > mostPeriods+1 || bounds[0].After(first) || !bounds[n-1].After(first.Add(took)) || !bounds[1].After(first) {
				t.Errorf("%s from %s: %v", took, first, bounds)
			}
		}
	}
}
