package pace

import (
	"testing"
	"time"

	"cohort/engine/enginetest"
)

func TestWaitText(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	enginetest.Must(t, err)
	now := time.Date(2026, 11, 29, 12, 8, 0, 0, time.UTC)
	for _, test := range []struct {
		why   string
		until time.Time
		want  string
	}{
		{"NHS Notify cannot be reached (connection refused)", now.Add(7 * time.Second), "NHS Notify cannot be reached (connection refused); next try 12:08:07"},
		{windowClosed, now.Add(18 * time.Hour), "the window is closed; it opens Mon 30 Nov 06:08"},
	} {
		if got := WaitText(test.why, test.until.In(london), now); got != test.want {
			t.Error(got)
		}
	}
}
