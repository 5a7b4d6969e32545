package pace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cohort/engine/campaign"
)

func TestForecast(t *testing.T) {
	window := &campaign.Hours{From: 360, To: 1320}
	monday := func(h, m int) time.Time { return time.Date(2026, 11, 23, h, m, 0, 0, time.UTC) }
	for sentence, test := range map[string]struct {
		pace     campaign.Pace
		messages int64
		now      time.Time
		days     string // messages and the time when the last goes out
		left     int64
	}{
		"all in one window":                           {campaign.Pace{Messages: 57_600, Window: window}, 28_800, monday(6, 0), "28800 until Mon 14:00", 0},
		"just all of it":                              {campaign.Pace{Messages: 57_600, Window: window}, 57_600, monday(0, 0), "57600 until Mon 22:00", 0},
		"from the middle of a window":                 {campaign.Pace{Messages: 57_600, Window: window}, 57_600, monday(14, 0), "28800 until Mon 22:00; 28800 until Tue 14:00", 0},
		"over three days":                             {campaign.Pace{Messages: 57_600, Window: window}, 120_000, monday(0, 0), "57600 until Mon 22:00; 57600 until Tue 22:00; 4800 until Wed 07:20", 0},
		"until cuts it short":                         {campaign.Pace{Messages: 57_600, Window: window, Until: monday(24, 0)}, 60_000, monday(0, 0), "57600 until Mon 22:00", 2400},
		"spread over one window":                      {campaign.Pace{Messages: 57_600, Window: window, Spread: true, CatchUp: 1}, 5760, monday(6, 0), "5760 until Mon 22:00", 0},
		"spread, under a ceiling":                     {campaign.Pace{Messages: 57_600, Window: window, Spread: true, CatchUp: 1, PerSecond: 1}, 115_200, monday(6, 0), "57600 until Mon 22:00; 57600 until Tue 22:00", 0},
		"without a window":                            {campaign.Pace{PerSecond: 10}, 36_000, monday(8, 0), "36000 until Mon 09:00", 0},
		"as fast as the service takes it":             {campaign.Pace{}, 36_000, monday(8, 0), "36000 until ?", 0},
		"a ceiling that no window sends a message at": {campaign.Pace{Messages: 57_600, Window: window, PerSecond: 1e-6}, 3, monday(0, 0), "", 3},
		"nothing to send":                             {campaign.Pace{PerSecond: 10}, 0, monday(8, 0), "", 0},
		"a pace that takes years is given up":         {campaign.Pace{Messages: 1, Window: window}, 1000, monday(0, 0), "", 1000 - 366},
	} {
		test.pace.Location = time.UTC
		out := Forecast(Facts{Pace: test.pace, Left: test.messages, Largest: 1}, test.now)
		days, left := out.Days, out.Left
		var got []string
		for _, d := range days {
			ends := "?"
			if !d.Ends.IsZero() {
				ends = d.Ends.Format("Mon 15:04")
			}
			got = append(got, fmt.Sprintf("%d until %s", d.Messages, ends))
		}
		if len(days) == mostDays {
			got = nil
		}
		if strings.Join(got, "; ") != test.days || left != test.left {
			t.Errorf("%s: %s, left %d; want %s, left %d", sentence, strings.Join(got, "; "), left, test.days, test.left)
		}
	}
}

func TestWhatIsSpreadOverAWindowNeedsNoOther(t *testing.T) {
	p := campaign.Pace{Messages: 57_600, Window: &campaign.Hours{From: 360, To: 1320}, Location: time.UTC, Spread: true, CatchUp: 1, LastCall: time.Minute}
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	for messages := int64(1); messages < 2000; messages++ {
		now = now.Add(7 * time.Second)
		if out := Forecast(Facts{Pace: p, Left: messages, Largest: 1}, now); len(out.Days) != 1 || out.Left != 0 || out.Days[0].Messages != messages {
			t.Fatalf("%d messages at %s need %+v, left %d", messages, now, out.Days, out.Left)
		}
	}
}

// One forecast says when the first and the last request go, and what decides the rate.
func TestWhatAForecastSays(t *testing.T) {
	window := &campaign.Hours{From: 360, To: 1320}
	monday := func(h, m, s int) time.Time { return time.Date(2026, 11, 23, h, m, s, 0, time.UTC) }
	for sentence, test := range map[string]struct {
		facts Facts
		now   time.Time
		want  string
	}{
		"a paced run begins with the wait for its first batch": {
			Facts{Pace: campaign.Pace{PerSecond: 5}, Left: 1000, Largest: 50}, monday(12, 0, 0),
			"5 a second (pace.per_second); the first request goes at 12:00:10; the last goes at about 12:03:20",
		},
		"which counts from the start of the process": {
			Facts{Pace: campaign.Pace{PerSecond: 5}, Left: 1000, Largest: 50, Began: monday(12, 0, 0)}, monday(12, 0, 4),
			"5 a second (pace.per_second); the first request goes at 12:00:10; the last goes at about 12:03:20",
		},
		"unless the service has asked for quiet": {
			Facts{Pace: campaign.Pace{PerSecond: 5}, Left: 1000, Largest: 50, Began: monday(12, 0, 0), Hold: monday(12, 5, 0)}, monday(12, 0, 4),
			"5 a second (pace.per_second); the first request goes at 12:05:00; the last goes at about 12:08:20",
		},
		"before the window": {
			Facts{Pace: campaign.Pace{Messages: 57_600, Window: window}, Left: 3600, Largest: 10}, monday(5, 0, 0),
			"1 a second (pace.messages over pace.window); the first request goes at 06:00:00; the last goes at about 07:00:00",
		},
		"per_second beside a window is only a ceiling": {
			Facts{Pace: campaign.Pace{Messages: 57_600, Window: window, PerSecond: 5}, Left: 3600, Largest: 10}, monday(6, 0, 0),
			"1 a second (pace.messages over pace.window; pace.per_second, 5, is only the ceiling); the first request goes at 06:00:10; the last goes at about 07:00:00",
		},
		"unless it is the lower": {
			Facts{Pace: campaign.Pace{Messages: 57_600, Window: window, PerSecond: 0.5}, Left: 3600, Largest: 10}, monday(6, 0, 0),
			"0.5 a second (pace.per_second); the first request goes at 06:00:20; the last goes at about 08:00:00",
		},
		"a cohort that is spread": {
			Facts{Pace: campaign.Pace{Messages: 57_600, Window: window, Spread: true}, Left: 5760, Largest: 1}, monday(6, 0, 0),
			"0.1 a second (pace.spread over the window); the first request goes at 06:00:10; the last goes at about 22:00:00",
		},
		"an override": {
			Facts{Pace: campaign.Pace{PerSecond: 5}, Override: Override{PerSecond: 2}, Left: 1000, Largest: 2}, monday(12, 0, 0),
			"2 a second (ordered with cohort pace); the first request goes at 12:00:01; the last goes at about 12:08:20",
		},
		"there is no limit": {
			Facts{Left: 1000, Largest: 2}, monday(12, 0, 0),
			"as fast as the service takes messages; the first request goes at 12:00:00",
		},
		"there is none, and the service takes 10 a second": {
			Facts{Left: 1000, Largest: 2, Taken: 10}, monday(12, 0, 0),
			"10 a second (what the service takes); the first request goes at 12:00:00; the last goes at about 12:01:40",
		},
		"a service that takes less than a third": {
			Facts{Pace: campaign.Pace{PerSecond: 50}, Left: 1000, Largest: 50, Taken: 10}, monday(12, 0, 0),
			"10 a second (what the service takes); the first request goes at 12:00:05; the last goes at about 12:01:40",
		},
		"a little less is only the size of the batches": {
			Facts{Pace: campaign.Pace{PerSecond: 50}, Left: 1000, Largest: 50, Taken: 20}, monday(12, 0, 0),
			"50 a second (pace.per_second); the first request goes at 12:00:01; the last goes at about 12:00:20",
		},
		"more than the window holds": {
			Facts{Pace: campaign.Pace{Messages: 57_600, Window: window}, Left: 72_000, Largest: 10}, monday(6, 0, 0),
			"1 a second (pace.messages over pace.window); the first request goes at 06:00:10; the last goes at about Tue 24 Nov 10:00",
		},
	} {
		test.facts.Pace.Location = time.UTC
		if got := Forecast(test.facts, test.now).Text(time.UTC, test.now); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", sentence, got, test.want)
		}
	}
}

func TestWhatTheWindowAndTheTimeToFinishByDoNotHold(t *testing.T) {
	now := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	f := Facts{Pace: campaign.Pace{Messages: 57_600, Window: &campaign.Hours{From: 360, To: 1320}, Location: time.UTC}, Left: 10_000, Largest: 10}
	f.Override = Override{PerSecond: 1, FinishBy: now.Add(time.Hour)}
	if out := Forecast(f, now); out.Remain != 2800 || out.Late != 6400 || out.Left != 0 || len(out.Days) != 2 {
		t.Errorf("%+v", out)
	}
	f.Factor = 0.5
	if out := Forecast(f, now); out.Rate != 0.5 || out.Remain != 6400 {
		t.Errorf("of a congested service: %+v", out)
	}
}

func TestTheCeilingOfACampaign(t *testing.T) {
	window := &campaign.Hours{From: 360, To: 1320}
	for sentence, test := range map[string]struct {
		pace campaign.Pace
		rate float64
		keys string
	}{
		"a rate":                 {campaign.Pace{PerSecond: 5}, 5, "pace.per_second"},
		"none":                   {campaign.Pace{}, 0, ""},
		"a window":               {campaign.Pace{Messages: 57_600, Window: window}, 1, "pace.messages over pace.window"},
		"a window with catch_up": {campaign.Pace{Messages: 57_600, Window: window, CatchUp: 1.5}, 1.5, "pace.messages over pace.window, times pace.catch_up"},
		"a window and a ceiling": {campaign.Pace{Messages: 57_600, Window: window, PerSecond: 20}, 20, "pace.per_second"},
		"a cohort that is spread has the rate of its size": {campaign.Pace{Messages: 57_600, Window: window, Spread: true}, 0, ""},
	} {
		test.pace.Location = time.UTC
		if rate, keys := Ceiling(test.pace, time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)); rate != test.rate || keys != test.keys {
			t.Errorf("%s: %v by %q", sentence, rate, keys)
		}
	}
}
