package pace

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine/campaign"
	"cohort/engine/enginetest"
)

// wall reads a moment of a table: London's clock with its zone, or nothing for never.
func wall(t testing.TB, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05 MST", text, enginetest.London(t))
	enginetest.Must(t, err)
	return at
}

func TestNextOpening(t *testing.T) {
	hours := func(from, to int) *campaign.Hours { return &campaign.Hours{From: from, To: to} }
	day := hours(6*60, 22*60)
	for sentence, test := range map[string]struct {
		window        *campaign.Hours
		now           string
		opens, closes string
		rate          float64 // with 57,600 messages a window: 1/s over 16 h
		until         string
		last          time.Duration
		perSecond     float64
		over          bool
	}{
		"before the window":                   {window: day, now: "2026-11-21 05:59:59 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 1},
		"as it opens":                         {window: day, now: "2026-11-21 06:00:00 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 1},
		"inside":                              {window: day, now: "2026-11-21 13:00:00 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 1},
		"a second before it closes":           {window: day, now: "2026-11-21 21:59:59 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 1},
		"as it closes the next day's is next": {window: day, now: "2026-11-21 22:00:00 GMT", opens: "2026-11-22 06:00:00 GMT", closes: "2026-11-22 22:00:00 GMT", rate: 1},
		"after":                               {window: day, now: "2026-11-21 23:30:00 GMT", opens: "2026-11-22 06:00:00 GMT", closes: "2026-11-22 22:00:00 GMT", rate: 1},
		"over the end of a month and a year":  {window: day, now: "2026-12-31 23:00:00 GMT", opens: "2027-01-01 06:00:00 GMT", closes: "2027-01-01 22:00:00 GMT", rate: 1},
		"a last call ends it early, and the capacity is spent before it": {window: day, now: "2026-11-21 21:30:00 GMT", last: time.Minute, opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 21:59:00 GMT", rate: 57600.0 / (16*3600 - 60)},
		"after the last call":                                        {window: day, now: "2026-11-21 21:59:00 GMT", last: time.Minute, opens: "2026-11-22 06:00:00 GMT", closes: "2026-11-22 21:59:00 GMT", rate: 57600.0 / (16*3600 - 60)},
		"a ceiling below the even rate":                              {window: day, now: "2026-11-21 13:00:00 GMT", perSecond: 0.5, opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 0.5},
		"a ceiling above the even rate":                              {window: day, now: "2026-11-21 13:00:00 GMT", perSecond: 5, opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 1},
		"until is after the window":                                  {window: day, now: "2026-11-21 13:00:00 GMT", until: "2026-11-22 00:00:00 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 22:00:00 GMT", rate: 1},
		"until cuts the window, not its rate":                        {window: day, now: "2026-11-21 13:00:00 GMT", until: "2026-11-21 18:00:00 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-21 18:00:00 GMT", rate: 1},
		"until has passed inside the window":                         {window: day, now: "2026-11-21 18:00:00 GMT", until: "2026-11-21 18:00:00 GMT", over: true},
		"until comes before the next window":                         {window: day, now: "2026-11-21 22:00:00 GMT", until: "2026-11-22 00:00:00 GMT", over: true},
		"until is the very opening of the next":                      {window: day, now: "2026-11-21 22:00:00 GMT", until: "2026-11-22 06:00:00 GMT", over: true},
		"a window to midnight":                                       {window: hours(6*60, 24*60), now: "2026-11-21 23:59:59 GMT", opens: "2026-11-21 06:00:00 GMT", closes: "2026-11-22 00:00:00 GMT", rate: 57600.0 / (18 * 3600)},
		"a window to midnight, at midnight":                          {window: hours(6*60, 24*60), now: "2026-11-22 00:00:00 GMT", opens: "2026-11-22 06:00:00 GMT", closes: "2026-11-23 00:00:00 GMT", rate: 57600.0 / (18 * 3600)},
		"the whole day":                                              {window: hours(0, 24*60), now: "2026-11-21 00:00:00 GMT", opens: "2026-11-21 00:00:00 GMT", closes: "2026-11-22 00:00:00 GMT", rate: 57600.0 / (24 * 3600)},
		"over midnight, before midnight":                             {window: hours(22*60, 6*60), now: "2026-11-21 23:00:00 GMT", opens: "2026-11-21 22:00:00 GMT", closes: "2026-11-22 06:00:00 GMT", rate: 2},
		"over midnight, after midnight":                              {window: hours(22*60, 6*60), now: "2026-11-22 05:00:00 GMT", opens: "2026-11-21 22:00:00 GMT", closes: "2026-11-22 06:00:00 GMT", rate: 2},
		"over midnight, by day":                                      {window: hours(22*60, 6*60), now: "2026-11-22 06:00:00 GMT", opens: "2026-11-22 22:00:00 GMT", closes: "2026-11-23 06:00:00 GMT", rate: 2},
		"over midnight, in its last call":                            {window: hours(22*60, 6*60), now: "2026-11-22 05:50:00 GMT", last: 15 * time.Minute, opens: "2026-11-22 22:00:00 GMT", closes: "2026-11-23 05:45:00 GMT", rate: 57600.0 / (8*3600 - 900)},
		"by day when the clocks go forward 2026":                     {window: day, now: "2026-03-28 23:00:00 GMT", opens: "2026-03-29 06:00:00 BST", closes: "2026-03-29 22:00:00 BST", rate: 1},
		"by day when the clocks go back 2026":                        {window: day, now: "2026-10-24 23:00:00 BST", opens: "2026-10-25 06:00:00 GMT", closes: "2026-10-25 22:00:00 GMT", rate: 1},
		"over the change forward 2026, 5 hours":                      {window: hours(0, 6*60), now: "2026-03-28 12:00:00 GMT", opens: "2026-03-29 00:00:00 GMT", closes: "2026-03-29 06:00:00 BST", rate: 57600.0 / (5 * 3600)},
		"over the change back 2026, 7 hours":                         {window: hours(0, 6*60), now: "2026-10-24 12:00:00 BST", opens: "2026-10-25 00:00:00 BST", closes: "2026-10-25 06:00:00 GMT", rate: 57600.0 / (7 * 3600)},
		"over the change forward 2027":                               {window: hours(22*60, 6*60), now: "2027-03-27 22:30:00 GMT", opens: "2027-03-27 22:00:00 GMT", closes: "2027-03-28 06:00:00 BST", rate: 57600.0 / (7 * 3600)},
		"over the change back 2027":                                  {window: hours(22*60, 6*60), now: "2027-10-31 05:00:00 GMT", opens: "2027-10-30 22:00:00 BST", closes: "2027-10-31 06:00:00 GMT", rate: 57600.0 / (9 * 3600)},
		"in the hour that comes twice, first time":                   {window: hours(0, 6*60), now: "2026-10-25 01:30:00 BST", opens: "2026-10-25 00:00:00 BST", closes: "2026-10-25 06:00:00 GMT", rate: 57600.0 / (7 * 3600)},
		"half past midnight to half past two, forward: 1 hour":       {window: hours(30, 150), now: "2026-03-28 23:30:00 GMT", opens: "2026-03-29 00:30:00 GMT", closes: "2026-03-29 02:30:00 BST", rate: 57600.0 / 3600},
		"half past midnight to half past two, back: 3 hours":         {window: hours(30, 150), now: "2026-10-24 23:30:00 BST", opens: "2026-10-25 00:30:00 BST", closes: "2026-10-25 02:30:00 GMT", rate: 57600.0 / (3 * 3600)},
		"the same, in the hour that comes twice, second time":        {window: hours(30, 150), now: "2026-10-25 01:45:00 GMT", opens: "2026-10-25 00:30:00 BST", closes: "2026-10-25 02:30:00 GMT", rate: 57600.0 / (3 * 3600)},
		"a last call that the change forward leaves nothing to":      {window: hours(30, 150), now: "2026-03-28 23:30:00 GMT", last: 90 * time.Minute, opens: "2026-03-30 00:30:00 BST", closes: "2026-03-30 01:00:00 BST", rate: 57600.0 / 1800},
		"a window that the change forward swallows":                  {window: hours(60, 120), now: "2026-03-28 23:30:00 GMT", last: time.Minute, opens: "2026-03-30 01:00:00 BST", closes: "2026-03-30 01:59:00 BST", rate: 57600.0 / (3600 - 60)},
		"a window that begins in the missing hour and ends after it": {window: hours(90, 135), now: "2026-03-28 23:30:00 GMT", last: time.Minute, opens: "2026-03-30 01:30:00 BST", closes: "2026-03-30 02:14:00 BST", rate: 57600.0 / (44 * 60)},
	} {
		p := campaign.Pace{
			Messages: 57600, Window: test.window, Location: enginetest.London(t), PerSecond: test.perSecond, LastCall: test.last, Until: wall(t, test.until),
		}
		o, ok := NextOpening(p, wall(t, test.now))
		switch {
		case ok == test.over:
			t.Errorf("%s: ok is %v", sentence, ok)
		case test.over:
		case !o.Opens.Equal(wall(t, test.opens)) || !o.Closes.Equal(wall(t, test.closes)):
			t.Errorf("%s: from %s to %s", sentence, o.Opens.In(p.Location), o.Closes.In(p.Location))
		case o.Rate < test.rate*0.999999 || o.Rate > test.rate*1.000001:
			t.Errorf("%s: %v a second, want %v", sentence, o.Rate, test.rate)
		}
	}
}

func TestNoWindow(t *testing.T) {
	now := wall(t, "2026-11-21 03:00:00 GMT")
	for sentence, test := range map[string]struct {
		until time.Time
		over  bool
	}{
		"any time will do":   {time.Time{}, false},
		"until has not come": {now.Add(time.Second), false},
		"until is now":       {now, true},
		"until was long ago": {now.Add(-time.Hour), true},
	} {
		o, ok := NextOpening(campaign.Pace{PerSecond: 7, Until: test.until, LastCall: time.Hour}, now)
		if ok == test.over || ok && (!o.IsOpen(now) || o.Rate != 7 || !o.Closes.Equal(test.until)) {
			t.Errorf("%s: %+v, %v", sentence, o, ok)
		}
	}
}

// For any window and moment, an opening is not over, and has a length and a rate. From
// anywhere inside it the same one is found.
func TestOpeningsAreNeverInThePast(t *testing.T) {
	location := enginetest.London(t)
	rapid.Check(t, func(t *rapid.T) {
		p := campaign.Pace{Messages: 1000, Location: location}
		p.Window = &campaign.Hours{
			From: rapid.OneOf(rapid.IntRange(30, 150), rapid.IntRange(0, 1439)).Draw(t, "from"),
			To:   rapid.OneOf(rapid.IntRange(30, 150), rapid.IntRange(1, 1440)).Draw(t, "to"),
		}
		if p.Window.From == p.Window.To {
			p.Window.To--
		}
		p.LastCall = min(time.Minute*time.Duration(rapid.IntRange(0, 5).Draw(t, "last")), time.Duration((p.Window.To-p.Window.From+1440)%1440)*time.Minute/2)
		day := rapid.SampledFrom([]string{"2026-03-28", "2026-10-24", "2027-03-27", "2027-10-30", "2026-11-21"}).Draw(t, "day")
		midnight, _ := time.ParseInLocation(time.DateOnly, day, location)
		now := midnight.Add(time.Duration(rapid.Int64Range(0, int64(60*time.Hour)).Draw(t, "now")))
		o, ok := NextOpening(p, now)
		if !ok {
			t.Fatalf("no opening after %s", now)
		}
		if !o.Opens.Before(o.Closes) || !now.Before(o.Closes) || !(o.Rate > 0 && o.Rate < 1e6) {
			t.Fatalf("at %s the next is %+v", now, o)
		}
		if o.Opens.Sub(now) > 49*time.Hour {
			t.Fatalf("at %s the next is no earlier than %s", now, o.Opens)
		}
		inside := o.Opens.Add(time.Duration(rapid.Float64Range(0, 0.999999).Draw(t, "inside") * float64(o.Closes.Sub(o.Opens))))
		if again, ok := NextOpening(p, inside); !ok || again != o {
			t.Fatalf("from inside %+v the opening is %+v", o, again)
		}
	})
}

func TestTheNationalWindowIsAlwaysSixteenHours(t *testing.T) {
	p := campaign.Pace{Messages: 3_400_000, Window: &campaign.Hours{From: 360, To: 1320}, Location: enginetest.London(t)}
	now := wall(t, "2026-01-01 00:00:00 GMT")
	for days := range 2 * 365 {
		o, ok := NextOpening(p, now)
		if !ok || o.Closes.Sub(o.Opens) != 16*time.Hour || o.Rate < 59.02 || o.Rate > 59.03 {
			t.Fatalf("%+v on day %d", o, days)
		}
		if at := o.Opens.In(p.Location); at.Hour() != 6 || at.Minute() != 0 {
			t.Fatalf("it opens at %s", at)
		}
		now = o.Closes
	}
	if want := wall(t, "2027-12-31 22:00:00 GMT"); !now.Equal(want) {
		t.Errorf("after two years of windows it is %s", now)
	}
}
