package pace

import (
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/enginetest"
)

func TestTheTextOfAWait(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	enginetest.Must(t, err)
	now := time.Date(2026, 11, 29, 12, 8, 0, 0, time.UTC)
	for _, test := range []struct {
		why   string
		until time.Time
		want  string
	}{
		{"NHS Notify cannot be reached (connection refused)", now.Add(7 * time.Second), "NHS Notify cannot be reached (connection refused); next try 12:08:07"},
		{"window closed at 12:14", time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC), "window closed at 12:14; opens again Mon 30 Nov 06:00"},
		{notYetOpen, now.Add(time.Minute), "window not open yet; opens 12:09:00"},
	} {
		if got := (Wait{test.why, test.until}).Text(london, now); got != test.want {
			t.Error(got)
		}
	}
}

// The words follow the day: after today's window has closed, nobody is told that it has not
// opened yet.
func TestWhyTheWindowIsShut(t *testing.T) {
	day, night := &campaign.Hours{From: 6 * 60, To: 22 * 60}, &campaign.Hours{From: 22 * 60, To: 6 * 60}
	for sentence, test := range map[string]struct {
		window *campaign.Hours
		now    string
		want   string
	}{
		"before it opens":                  {day, "2026-11-29 05:00:00 GMT", notYetOpen},
		"at the last call":                 {day, "2026-11-29 21:59:00 GMT", "window closed at 21:59"},
		"late in the evening":              {day, "2026-11-29 23:00:00 GMT", "window closed at 21:59"},
		"after midnight":                   {day, "2026-11-30 00:30:00 GMT", notYetOpen},
		"a window over midnight, at noon":  {night, "2026-11-29 12:00:00 GMT", "window closed at 05:59"},
		"on the day when the clocks go on": {night, "2026-03-29 12:00:00 BST", "window closed at 05:59"},
	} {
		p := campaign.Pace{Messages: 1000, Window: test.window, Location: enginetest.London(t), LastCall: time.Minute}
		if got := windowShut(p, wall(t, test.now)); got != test.want {
			t.Errorf("%s: %q, want %q", sentence, got, test.want)
		}
	}
}
