package summary

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// area is a chart of messages over time.
type area struct {
	Title, Desc string
	Path        string // in a box of 1000 by 100
	Peak        string
	Ticks       []tick
}

type tick struct{ X, Anchor, Label string }

const quarter = 15 * time.Minute

// mostPeriods limits the columns of the table, and mostPoints those of the chart.
const (
	mostPeriods = 10
	mostPoints  = 400
)

func (f *Figures) sending() section {
	s := section{Title: "When it was sent"}
	first, last := f.First.In(f.AsOf.Location()), f.Last.In(f.AsOf.Location())
	switch {
	case f.First.IsZero():
		return section{}
	case first.Equal(last):
		s.Intro = "On " + day(first) + " at " + first.Format("15:04:05") + "."
		return s
	case last.Sub(first) < quarter:
		s.Intro = fmt.Sprintf("All within %s, on %s from %s.", span(last.Sub(first)), day(first), first.Format("15:04:05"))
		return s
	}
	bounds := periods(first, last)
	counts := make([]int64, len(bounds)-1)
	most := int64(0)
	for q, n := range f.Sent {
		i, _ := slices.BinarySearchFunc(bounds, time.Unix(q*900+1, 0), time.Time.Compare)
		counts[i-1] += n
		most = max(most, n)
	}
	to := last.Format("15:04")
	if day(first) != day(last) {
		to = day(last) + ", " + to
	}
	s.Intro = fmt.Sprintf("From %s, %s to %s. At most %s messages in a quarter of an hour: %.1f a second.",
		day(first), first.Format("15:04"), to, number(most), float64(most)/quarter.Seconds())
	t := table{Caption: "Messages that the service took, over time", Head: []string{"From"}, Rows: []row{{Name: "Accepted"}}}
	for i, n := range counts {
		t.Head = append(t.Head, label(bounds, i))
		t.Rows[0].Cells = append(t.Rows[0].Cells, number(n))
	}
	t.Head, t.Rows[0].Cells = append(t.Head, "All"), append(t.Rows[0].Cells, number(f.accepted()))
	if sum(f.Sent) < f.accepted() {
		s.Note = fmt.Sprintf("All includes %s with a time that is not known.", plural(f.accepted()-sum(f.Sent), "message", "messages"))
	}
	s.Tables = []table{t}
	s.Area = f.area(bounds)
	return s
}

// periods returns the bounds of at most mostPeriods equal periods from the first to the last time, by the clock.
func periods(first, last time.Time) (bounds []time.Time) {
	midnight := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, first.Location())
	for _, hours := range []int{1, 2, 4, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688, 5376} {
		bounds = bounds[:0]
		at := func(i int) time.Time {
			return time.Date(midnight.Year(), midnight.Month(), midnight.Day(), i*hours, 0, 0, 0, midnight.Location())
		}
		i := 0
		for !at(i + 1).After(first) {
			i++
		}
		for ; len(bounds) <= mostPeriods+1 && (len(bounds) < 2 || !bounds[len(bounds)-1].After(last)); i++ {
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
	t, step := bounds[i], bounds[1].Sub(bounds[0])
	switch {
	case step > 23*time.Hour:
		return t.Format("2 Jan")
	case t.Hour() == 0 && bounds[len(bounds)-1].Sub(bounds[0]) > 25*time.Hour:
		return t.Format("Mon 2")
	}
	return t.Format("15:04")
}

// area draws the messages of each quarter of an hour; of longer times, if there would be too many points.
func (f *Figures) area(bounds []time.Time) *area {
	from, to := bounds[0].Unix()/900, bounds[len(bounds)-1].Unix()/900
	each := (to-from)/mostPoints + 1
	points := make([]int64, (to-from+each-1)/each)
	for q, n := range f.Sent {
		points[(q-from)/each] += n
	}
	most := max(1, slices.Max(points))
	var path strings.Builder
	path.WriteString("M0,100")
	was := int64(-1)
	for i, n := range points {
		if n != was {
			fmt.Fprintf(&path, "H%.4gV%.3g", 1000*float64(i)/float64(len(points)), 100-100*float64(n)/float64(most))
		}
		was = n
	}
	path.WriteString("H1000V100Z")
	a := &area{
		Title: "Messages accepted over time", Path: path.String(),
		Peak: fmt.Sprintf("%.1f a second", float64(most)/(float64(each)*quarter.Seconds())),
		Desc: fmt.Sprintf("Area chart with one point for each %s. The table below has the numbers.", span(time.Duration(each)*quarter)),
	}
	n := len(bounds) - 1
	for i := 0; i <= n; i += (n + 3) / 4 {
		t := tick{percent(100 * float64(bounds[i].Sub(bounds[0])) / float64(bounds[n].Sub(bounds[0]))), "middle", label(bounds, i)}
		switch i {
		case 0:
			t.Anchor = "start"
		case n:
			t.Anchor = "end"
		}
		a.Ticks = append(a.Ticks, t)
	}
	return a
}
