package status

import (
	"strings"
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/ingest/person"
)

func TestBars(t *testing.T) {
	for sentence, test := range map[string]struct {
		values []float64
		want   string
	}{
		"none":         {nil, ""},
		"all the same": {[]float64{5, 5}, "██"},
		"nothing yet":  {[]float64{0, 0}, "▁▁"},
		"up and down":  {[]float64{0, 50, 100, 25}, "▁▄█▂"},
	} {
		if got := bars(test.values); got != test.want {
			t.Errorf("%s: %s, want %s", sentence, got, test.want)
		}
	}
}

func TestWatchARunThatSends(t *testing.T) {
	w := &Watcher{}
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	snapshot := func(after time.Duration, accepted int64) *dispatch.Snapshot {
		return &dispatch.Snapshot{
			At: at.Add(after), Account: ledger.Account{Records: 1000, Fates: map[person.Fate]int64{person.Accepted: accepted, person.NotSent: 900 - accepted, person.InDoubt: 100}}, Left: 900 - accepted,
			Rate: 59.03, Speed: float64(accepted) / max(1, after.Seconds()), Requests: 1, InFlight: 100,
			Expected: pace.Outlook{Rule: "pace.messages over pace.window", Closes: at.Add(16 * time.Hour), Remain: 12, Last: at.Add(45 * time.Second)},
			Latency:  dispatch.Latency{P50: 210 * time.Millisecond, P95: time.Second, P99: 2 * time.Second}, Retries: dispatch.Retries{"429 QUOTA": 3, "timeout": 1},
		}
	}
	for i := range 5 {
		w.add(snapshot(time.Duration(5*i)*time.Second, int64(100*i)))
	}
	now := snapshot(20*time.Second, 400)
	s := &Status{RunID: "0123456789abcdef", Fates: now.Account.Fates, Records: 1000, AddsUp: true, Live: now, rates: w.rates}
	s.expect(campaign.Pace{})
	text := w.Text(s, now)
	for _, want := range []string{
		"rate      20.0 a second now, 59.03 allowed (pace.messages over pace.window)  ▁████", "done      at about Sat 21 Nov 06:00:45 UTC, if nothing comes in between", "window    12 messages will remain when it closes at 22:00 UTC",
		"answers   p50 210ms, p95 1s, p99 2s; 1 requests with 100 messages under way", "again     3 requests after 429 QUOTA", "again     1 requests after timeout",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if l := liveOf(now); l.PerSecond != 20 || l.Latency["p50"] != 210 || l.Retries["timeout"] != 1 || l.ETA == nil || l.Remain != 12 {
		t.Errorf("%+v", l)
	}
	if liveOf(nil) != nil {
		t.Error("something is said of no process")
	}
}

func TestWatchARunThatSendsNothing(t *testing.T) {
	w := &Watcher{}
	fates := map[person.Fate]int64{person.Accepted: 10, person.NotSent: 990}
	now := &dispatch.Snapshot{Account: ledger.Account{Records: 1000, Fates: fates}, Rate: 5, Expected: pace.Outlook{Remain: 90, Closes: time.Now()}, Waiting: "the run is paused by ann", Paused: true}
	s := &Status{Folder: "/runs/a", Fates: fates, Records: 1000, AddsUp: true, Paused: "by ann", Live: now}
	s.expect(campaign.Pace{})
	paused := w.Text(s, now)
	now.Waiting, now.Paused = "", false // a snapshot from before the pause
	s.expect(campaign.Pace{})
	for _, text := range []string{paused, w.Text(s, now)} {
		if !strings.Contains(text, "paused    by ann\nto go on: ") || strings.Contains(text, "a second now") || strings.Contains(text, "will remain") || strings.Contains(text, "waiting") {
			t.Errorf("of a paused run\n%s", text)
		}
	}
	w.silent = "nobody listens"
	if text := w.Text(s, nil); !strings.Contains(text, "no live figures: nobody listens\n") {
		t.Errorf("of a process that does not answer\n%s", text)
	}
}

// A waiting run tells programs and people the reason and the end of the wait. On a terminal its
// words fit in 80 columns.
func TestWatchARunThatWaits(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 29, 12, 20, 0, 0, london)
	opens := time.Date(2026, 11, 30, 6, 0, 0, 0, london)
	now := &dispatch.Snapshot{
		At: at, State: ledger.WaitingWindow, Waiting: "window closed at 12:14", Until: opens, Rate: 1,
		Account: ledger.Account{Records: 3_400_000, Fates: map[person.Fate]int64{}}, Expected: pace.Outlook{Rate: 1, Opens: opens, Closes: opens.Add(time.Hour), Remain: 7, Last: opens.AddDate(0, 0, 1)},
	}
	s := &Status{Live: now}
	s.expect(campaign.Pace{})
	if s.Waiting.Reason != now.Waiting || !s.Waiting.Until.Equal(opens) || !s.Window.Opens.Equal(opens) || s.Window.Remain != 7 || s.Rate.Allowed != 1 || !s.ExpectedEnd.Equal(now.Expected.Last) {
		t.Errorf("%+v", s)
	}
}

// A run that sends nothing in an open window says until when everything still fits into it.
func TestTheTimeToGoOnBy(t *testing.T) {
	opens, closes := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	o := pace.Opening{Opens: opens, Closes: closes}
	even := campaign.Pace{Messages: 57_600, Window: &campaign.Hours{From: 360, To: 1320}, Location: time.UTC, CatchUp: 1}
	spread := even
	spread.Spread, spread.CatchUp = true, 2
	noon := opens.Add(6 * time.Hour)
	for sentence, test := range map[string]struct {
		pace   campaign.Pace
		status Status
		left   int64
		now    time.Time
		want   string
	}{
		"of an hour's messages, an hour before the window closes":      {even, Status{State: ledger.Halted}, 3600, noon, "21:00"},
		"paused, with a process":                                       {even, Status{State: ledger.Paused, Paused: "by ann", PID: 7}, 3600, noon, "21:00"},
		"spread: at twice the even rate of what was left at the start": {spread, Status{State: ledger.Died, stretch: pace.WindowStart{Opens: opens, Begun: opens, Left: 57_600}}, 28_800, noon, "18:00"},
		"there is no more time":                                        {even, Status{State: ledger.Halted}, 57_600, noon, ""},
		"nothing is left":                                              {even, Status{State: ledger.Halted}, 0, noon, ""},
		"the window is closed":                                         {even, Status{State: ledger.Halted}, 3600, opens.Add(-time.Hour), ""},
		"it sends":                                                     {even, Status{State: ledger.Sending, PID: 7}, 3600, noon, ""},
		"another pace was ordered":                                     {even, Status{State: ledger.Halted, PaceLever: &pace.Override{PerSecond: 9}}, 3600, noon, ""},
		"no ceiling":                                                   {campaign.Pace{Location: time.UTC}, Status{State: ledger.Halted}, 3600, noon, ""},
	} {
		s := test.status
		s.Fates = map[person.Fate]int64{person.NotSent: test.left - test.left/2, person.InDoubt: test.left / 2}
		got := ""
		if by := s.goOnBy(test.pace, o, test.now); by != nil {
			got = by.Format("15:04")
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", sentence, got, test.want)
		}
	}
}
