package summary

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/markup"
)

// area is a chart of messages over time.
type area struct {
	*markup.Table
	Path  string // in a box of 1000 by 100
	Peak  float64
	Ticks []tick
	Most  int64 // in a quarter of an hour
	Else  int64 // accepted at a time that is not known
}

type tick struct{ X, Anchor, Label string }

const (
	quarter     = 15 * time.Minute
	mostPeriods = 10  // columns of the table
	mostPoints  = 400 // of the chart
)

// Start is the first acceptance, in the page's zone.
func (p *Page) Start() time.Time { return p.First.In(p.AsOf.Location()) }

// End is the last acceptance, in the page's zone.
func (p *Page) End() time.Time { return p.Last.In(p.AsOf.Location()) }

// Took is the time from the first acceptance to the last.
func (p *Page) Took() time.Duration { return p.Last.Sub(p.First) }

// OneDay reports whether everything was accepted on one day.
func (p *Page) OneDay() bool {
	return p.Start().YearDay() == p.End().YearDay() && p.Took() < 24*time.Hour
}

// Sending shows the messages over time; nil: it took less than a quarter of an hour.
func (p *Page) Sending() *area {
	if p.First.IsZero() || p.Took() < quarter {
		return nil
	}
	bounds := periods(p.Start(), p.End())
	a := &area{Table: &markup.Table{ID: "sending", Caption: "Messages that the service took, over time", Head: []string{"From"}}, Else: p.Accepted() - total(p.Sent)}
	counts := make([]int64, len(bounds)-1)
	for q, n := range p.Sent {
		i, _ := slices.BinarySearchFunc(bounds, time.Unix(q*900+1, 0), time.Time.Compare)
		counts[i-1] += n
		a.Most = max(a.Most, n)
	}
	cells := []string{}
	for i, n := range counts {
		a.Head, cells = append(a.Head, label(bounds, i)), append(cells, markup.Number(n))
	}
	a.Head = append(a.Head, "All")
	a.Rows = []markup.Row{{Name: "Accepted", Cells: append(cells, markup.Number(p.Accepted()))}}
	a.draw(p.Sent, bounds)
	return a
}

// periods returns the bounds of at most mostPeriods equal periods from the first to the last time, by the clock.
func periods(first, last time.Time) (bounds []time.Time) {
	hours := []int{1, 2, 4, 6, 12, 24}
	for days := 2; len(hours) < 20; days *= 2 {
		hours = append(hours, 24*days)
	}
	for _, step := range hours {
		at := func(i int) time.Time {
			return time.Date(first.Year(), first.Month(), first.Day(), i*step, 0, 0, 0, first.Location())
		}
		i := first.Hour() / step
		bounds = []time.Time{at(i)}
		for !bounds[len(bounds)-1].After(last) && len(bounds) <= mostPeriods+1 {
			i++
			bounds = append(bounds, at(i))
		}
		if len(bounds) <= mostPeriods+1 {
			break
		}
	}
	return bounds
}

// label names the period that starts at a bound.
func label(bounds []time.Time, i int) string {
	switch t := bounds[i]; {
	case bounds[1].Sub(bounds[0]) > 23*time.Hour:
		return t.Format("2 Jan")
	case t.Hour() == 0 && bounds[len(bounds)-1].Sub(bounds[0]) > 25*time.Hour:
		return t.Format("Mon 2")
	default:
		return t.Format("15:04")
	}
}

// draw draws the messages of each quarter of an hour; of longer times, if there would be too many points.
func (a *area) draw(sent map[int64]int64, bounds []time.Time) {
	n := len(bounds) - 1
	from, to := bounds[0].Unix()/900, bounds[n].Unix()/900
	each := (to-from)/mostPoints + 1
	points := make([]int64, (to-from+each-1)/each)
	for q, n := range sent {
		points[(q-from)/each] += n
	}
	most, was := max(1, slices.Max(points)), int64(-1)
	var path strings.Builder
	for i, n := range points {
		if n != was {
			fmt.Fprintf(&path, "H%.4gV%.3g", 1000*float64(i)/float64(len(points)), 100-100*float64(n)/float64(most))
		}
		was = n
	}
	a.Path, a.Peak = "M0,100"+path.String()+"H1000V100Z", float64(most)/(float64(each)*quarter.Seconds())
	for i := 0; i <= n; i += (n + 3) / 4 {
		t := tick{markup.Percent(100 * float64(bounds[i].Sub(bounds[0])) / float64(bounds[n].Sub(bounds[0]))), "middle", label(bounds, i)}
		switch i {
		case 0:
			t.Anchor = "start"
		case n:
			t.Anchor = "end"
		}
		a.Ticks = append(a.Ticks, t)
	}
}
