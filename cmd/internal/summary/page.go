// Package summary writes the summary of a run: one HTML page for the people who own a campaign. It has figures, and
// no personal data. It needs no script and asks for no other file, so a person can print and forward it.
package summary

import (
	_ "embed" // the page and its style
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"cohort/cmd/internal/markup"
	"cohort/engine/campaign"
	"cohort/engine/report"
	"cohort/ingest/person"
)

//go:embed summary.html
var pageText string

//go:embed summary.css
var styleText string

var page = markup.New("summary", pageText, nil)

// Page is everything that a summary says.
type Page struct {
	*report.Figures
	Title                       string // heads the page
	Campaign, RunID, Service    string
	CohortDigest, Plan, Version string // SHA-256; the program's version
	FollowUp                    string // the run before it, and the rule; empty: it is none
	Purpose                     campaign.Purpose
	AsOf                        time.Time       // its zone is the page's
	Previous                    *report.Figures // of the series, as it was at the same age; nil: none
	NotCompared                 string          // why there is no Previous although there was a run; empty: nothing to tell
	Policy                      string          // set by Render, as Style
	Style                       template.CSS
}

// Render writes the page.
func Render(w io.Writer, p *Page) error {
	for _, text := range []*string{&p.Title, &p.Service, &p.Purpose.Text, &p.Purpose.Owner, &p.Purpose.Basis, &p.NotCompared} {
		*text = cut(markup.OneLine(*text), longestText)
	}
	p.Style = template.CSS(markup.Style + styleText + fmt.Sprintf(`@page{@bottom-left{content:"%s, run %.8s · as of %s · complete: %s"}}`,
		p.Campaign, p.RunID, p.AsOf.Format("2 January 2006, 15:04"), map[bool]string{false: "no", true: "yes"}[p.Complete()]))
	p.Policy = "default-src 'none'; style-src " + markup.Source(string(p.Style)) + "; img-src data:; base-uri 'none'; form-action 'none'"
	return page.Execute(w, p)
}

// The template calls the methods below.

// Accepted counts the people who were sent to.
func (p *Page) Accepted() int64 { return p.Fates[person.Accepted] }

// Delivered counts the people who have the message.
func (p *Page) Delivered() int64 { return total(p.Reached) }

// Undelivered counts the messages that every channel failed to deliver.
func (p *Page) Undelivered() int64 { return total(p.Failed) }

// Unknown counts the messages without an outcome.
func (p *Page) Unknown() int64 { return total(p.Open) }

// Keys are the figures at the top, as parts of all who were sent to.
func (p *Page) Keys() []markup.Row {
	return []markup.Row{{Name: "Delivered", N: p.Delivered()}, {Name: "Not delivered", N: p.Undelivered()}, {Name: "No outcome known yet", N: p.Unknown()}}
}

// Of counts the records with a fate.
func (p *Page) Of(fate string) int64 { return p.Fates[person.Fate(fate)] }

// Left counts the people who are still to be sent to, or in doubt.
func (p *Page) Left() int64 { return p.Fates[person.NotSent] + p.Fates[person.InDoubt] }

// LeftOut counts the records that are not to be sent.
func (p *Page) LeftOut() int64 { return leftOut(p.Figures) }

// Complete reports whether nothing more is to come: every record has its final fate, and every message an outcome.
func (p *Page) Complete() bool { return p.Left() == 0 && p.Unknown() == 0 }

// InFiles reports whether the run writes files: it sends nothing itself.
func (p *Page) InFiles() bool { return strings.HasPrefix(p.Service, "file ") }

// Files reports whether the run writes files, and nothing is known of their messages.
func (p *Page) Files() bool { return p.InFiles() && p.Known == 0 }

// Rehearsal reports whether a simulator took the messages.
func (p *Page) Rehearsal() bool { return strings.HasSuffix(p.Service, " simulator") }

// Final is the day after which nothing more is expected; zero: it has passed, or is not known.
func (p *Page) Final() (t time.Time) {
	if t = p.Last.In(p.AsOf.Location()).Add(longest); p.Last.IsZero() || p.Left() > 0 || t.Before(p.AsOf) {
		return time.Time{}
	}
	return t
}

// Waited is the time since the first acceptance.
func (p *Page) Waited() string { return markup.Span(p.AsOf.Sub(p.First).Truncate(time.Minute)) }

var longest = report.Delays[len(report.Delays)-1]

func leftOut(f *report.Figures) int64 {
	return f.Fates[person.Suppressed] + f.Fates[person.Invalid] + f.Fates[person.Duplicate]
}

func total[K comparable](m map[K]int64) (all int64) {
	for _, n := range m {
		all += n
	}
	return all
}
