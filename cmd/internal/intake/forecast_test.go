package intake

import (
	"testing"
	"time"

	"cohort/engine/campaign"
)

func TestRequestsAMinuteDuringCatchUp(t *testing.T) {
	window := &campaign.Hours{From: 360, To: 1320}
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	for sentence, test := range map[string]struct {
		pace campaign.Pace
		want float64 // of a campaign of 10 messages a second in requests of 10
	}{
		"at the even rate":      {campaign.Pace{Messages: 576_000, Window: window, CatchUp: 1}, 60},
		"one and a half times":  {campaign.Pace{Messages: 576_000, Window: window, CatchUp: 1.5}, 90},
		"under a ceiling":       {campaign.Pace{Messages: 576_000, Window: window, CatchUp: 1.5, PerSecond: 12}, 72},
		"there is no even line": {campaign.Pace{PerSecond: 10, CatchUp: 1.5}, 60},
	} {
		test.pace.Location = time.UTC
		f := Forecast{Campaign: &campaign.Campaign{Pace: test.pace}, Messages: 576_000, Batches: 57_600, Largest: 10}
		if f.expect(now); f.Requests != test.want {
			t.Errorf("%s: %v requests a minute, want %v", sentence, f.Requests, test.want)
		}
	}
}
