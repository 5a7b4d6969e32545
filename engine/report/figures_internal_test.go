package report

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"cohort/engine/delivery"
)

// What the service says of an accepted message is counted once, as what it was at the moment that counts.
func TestAnAcceptedMessageIsCountedOnce(t *testing.T) {
	accepted := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return accepted.Add(d) }
	got := func(d time.Duration) *delivery.State {
		return &delivery.State{Status: delivery.Delivered, Delivered: true, DeliveredChannel: "sms", DeliveredAt: after(d)}
	}
	failed := &delivery.State{Status: delivery.Failed, At: after(time.Hour), Code: "CFR_SUPE_0007", Attempts: []delivery.Attempt{
		{Channel: "sms", Status: delivery.Failed, Supplier: "permanent_failure"}, {Channel: "letter", Status: "skipped"},
	}}
	daily := got(time.Hour)
	daily.Source = delivery.DailyReport
	soon, late := after(2*time.Hour), after(15*24*time.Hour)
	for name, test := range map[string]struct {
		state *delivery.State
		until time.Time
		now   time.Time
		want  func(*Figures)
	}{
		"no word":           {nil, time.Time{}, soon, func(f *Figures) { f.Open[Progress{}] = 1 }},
		"no word for long":  {nil, time.Time{}, late, func(f *Figures) { f.Open[Progress{}], f.Overdue = 1, 1 }},
		"in a minute":       {got(time.Minute), time.Time{}, soon, func(f *Figures) { f.Reached["sms"], f.Within[0] = 1, 1 }},
		"in two minutes":    {got(2 * time.Minute), time.Time{}, soon, func(f *Figures) { f.Reached["sms"], f.Within[1] = 1, 1 }},
		"clocks disagree":   {got(-time.Minute), time.Time{}, soon, func(f *Figures) { f.Reached["sms"], f.Within[0] = 1, 1 }},
		"after three weeks": {got(21 * 24 * time.Hour), time.Time{}, late, func(f *Figures) { f.Reached["sms"], f.Within[7] = 1, 1 }},
		"the day alone":     {daily, time.Time{}, soon, func(f *Figures) { f.Reached["sms"], f.Untimed = 1, 1 }},
		"later than asked":  {got(3 * time.Hour), soon, soon, func(f *Figures) { f.Open[Progress{Status: delivery.Delivered}] = 1 }},
		"failed":            {failed, time.Time{}, soon, func(f *Figures) { f.Failed[Failure{"CFR_SUPE_0007", "sms", "permanent_failure"}] = 1 }},
		"failed later":      {failed, after(time.Minute), soon, func(f *Figures) { f.Open[Progress{Status: delivery.Failed, Failed: true}] = 1 }},
		"nobody in the app": {&delivery.State{Status: "rejected", Source: delivery.Receipt}, time.Time{}, soon, func(f *Figures) { f.Failed[Failure{Code: "rejected"}] = 1 }},
		"the second channel": {&delivery.State{Status: "sending", Attempts: []delivery.Attempt{{Channel: "nhsapp", Status: delivery.Failed}, {Channel: "sms", Status: "sending"}}},
			time.Time{}, soon, func(f *Figures) { f.Open[Progress{"sending", "sms", true}] = 1 }},
	} {
		into, want := NewFigures(), NewFigures()
		want.First, want.Last, want.Sent[accepted.Unix()/900] = accepted, accepted, 1
		test.want(want)
		(&sums{into, test.until, test.now}).accepted(accepted, test.state)
		if !reflect.DeepEqual(into, want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, into, want)
		}
	}
}

// A column with a value for each person takes no more memory than MostGroups values.
func TestTooManyKindsAreOne(t *testing.T) {
	of, codes := Tallies{Values: map[string]*Tally{}}, map[string]int64{}
	for i := range MostGroups + 500 {
		of.of(fmt.Sprint(i))[cellUnknown]++
		countKind(codes, fmt.Sprint(i), Rest)
	}
	if len(of.Values) != MostGroups+1 || of.Values[Rest][cellUnknown] != 500 || len(codes) != MostGroups+1 || codes[Rest] != 500 {
		t.Errorf("%d values, %d codes", len(of.Values), len(codes))
	}
}
