// Package summary writes the summary of a run: one HTML page for the people who own a campaign. It has figures, and
// no personal data. It needs no script and asks for no other file, so a person can print and forward it.
package summary

import (
	"maps"
	"slices"
	"time"

	"cohort/ingest/person"
)

// Figures are everything that a summary says of a run. They hold no personal data.
type Figures struct {
	Title    string // heads the page
	Campaign string
	RunID    string
	Service  string
	Files    bool // the run writes files; it sends nothing
	Cohort   string
	Plan     string // SHA-256, as Cohort
	Version  string // of the program
	Purpose  []Fact
	AsOf     time.Time // its zone is the page's

	Records int64
	Fates   map[person.Fate]int64
	Reasons map[Reason]int64 // of records that are not accepted

	First, Last time.Time       // acceptance; zero: none
	Sent        map[int64]int64 // messages accepted, by the quarter of an hour since 1970

	// Of accepted messages:
	Reached map[string]int64 // by the channel that delivered; empty: not known
	Failed  map[string]int64 // by the reason, in words
	Open    map[string]int64 // neither delivered nor failed, by what is known, in words
	Within  []int64          // delivered, by the index of Delays; the last are later
	Untimed int64            // delivered, and the time is not known
	Overdue int64            // open, and the service had longest to deliver

	Contradicted int64 // the service speaks of a message that is not accepted
	Events       int64 // messages with any event
	Groups       []Group
	Previous     *Figures // of the series, as it was at the same age; nil: none
}

// Fact is something about a run, in words.
type Fact struct{ Name, Text string }

// Reason is why records have a fate.
type Reason struct {
	Fate person.Fate
	Code string
}

// Group counts accepted messages by the values of a column.
type Group struct {
	Column string
	Values map[string]*Tally
}

// Tally counts accepted messages.
type Tally struct{ Sent, Delivered, Failed int64 }

func (t *Tally) open() int64 { return t.Sent - t.Delivered - t.Failed }

func (t *Tally) add(o *Tally) {
	t.Sent, t.Delivered, t.Failed = t.Sent+o.Sent, t.Delivered+o.Delivered, t.Failed+o.Failed
}

// Delays are the limits of Figures.Within.
var Delays = []time.Duration{
	time.Minute, time.Hour, 24 * time.Hour, 2 * 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour, longest,
}

// longest is how long a service may take to deliver (contract: callbacks, when a message is overdue).
const longest = 14 * 24 * time.Hour

func newFigures() *Figures {
	return &Figures{
		Fates: map[person.Fate]int64{}, Reasons: map[Reason]int64{}, Sent: map[int64]int64{},
		Reached: map[string]int64{}, Failed: map[string]int64{}, Open: map[string]int64{}, Within: make([]int64, len(Delays)+1),
	}
}

func (f *Figures) accepted() int64  { return f.Fates[person.Accepted] }
func (f *Figures) delivered() int64 { return sum(f.Reached) }
func (f *Figures) failed() int64    { return sum(f.Failed) }
func (f *Figures) open() int64      { return sum(f.Open) }

// left counts the people who are still to be sent to, or in doubt.
func (f *Figures) left() int64 { return f.Fates[person.NotSent] + f.Fates[person.InDoubt] }

func (f *Figures) leftOut() int64 {
	return f.Fates[person.Suppressed] + f.Fates[person.Invalid] + f.Fates[person.Duplicate]
}

// complete reports whether nothing more is to come: every record has its final fate, and every message an outcome.
func (f *Figures) complete() bool { return f.left() == 0 && f.open() == 0 }

func sum[K comparable](m map[K]int64) (n int64) {
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

// mostKinds limits what is told apart; a service or a cohort file decides how many kinds there are.
const mostKinds = 5000

// count adds one to a kind, or to rest once there are too many kinds.
func count[K comparable](m map[K]int64, kind, rest K) {
	if _, known := m[kind]; !known && len(m) >= mostKinds {
		kind = rest
	}
	m[kind]++
}

// byCount lists the kinds, the largest first.
func byCount[K comparable](m map[K]int64, name func(K) string) []row {
	all := map[string]int64{}
	for kind, n := range m {
		all[name(kind)] += n
	}
	rows := make([]row, 0, len(all))
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, row{Name: kind, N: all[kind]})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return int(b.N - a.N) })
	return rows
}
