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
		days, left := Forecast(test.pace, test.messages, 1, test.now)
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
		if days, left := Forecast(p, messages, 1, now); len(days) != 1 || left != 0 || days[0].Messages != messages {
			t.Fatalf("%d messages at %s need %+v, left %d", messages, now, days, left)
		}
	}
}
