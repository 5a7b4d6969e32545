package intake

import (
	"strings"
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

func TestTheCallbacksOfARun(t *testing.T) {
	window := &campaign.Hours{From: 360, To: 1320}
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	printed := func(c *campaign.Campaign, messages int64) (ask int, text string) {
		f := Forecast{Campaign: c, Messages: messages, Batches: 1, Largest: 500}
		f.expect(now)
		var out strings.Builder
		f.printCallbacks(&out)
		return f.Ask, out.String()
	}
	for sentence, test := range map[string]struct {
		pace     campaign.Pace
		messages int64
		ask      int
		want     string
	}{
		"a national run": {
			campaign.Pace{Messages: 3_400_000, Window: window, CatchUp: 1}, 3_400_000, 200,
			"callbacks 177 a second at most, 3 for each message; at the usual 10 a second they take 283 hours\n" +
				"          ask NHS Notify at onboarding for all message and channel statuses, and for 200 a second: docs/callbacks.md\n",
		},
		"that makes up lost time": {
			campaign.Pace{Messages: 3_400_000, Window: window, CatchUp: 2}, 3_400_000, 400,
			"callbacks 354 a second at most, 3 for each message; at the usual 10 a second they take 283 hours\n" +
				"          ask NHS Notify at onboarding for all message and channel statuses, and for 400 a second: docs/callbacks.md\n",
		},
		"a slow run": {
			campaign.Pace{PerSecond: 2}, 500, 10, "callbacks 6 a second at most, 3 for each message: the usual 10 a second are enough\n",
		},
		"a small run without a rate": {
			campaign.Pace{}, 1200, 0, "callbacks 3 for each message; at the usual 10 a second they take 0.1 hours: docs/callbacks.md\n",
		},
	} {
		test.pace.Location = time.UTC
		ask, got := printed(&campaign.Campaign{Pace: test.pace}, test.messages)
		if got != test.want || ask != test.ask {
			t.Errorf("%s: %d %s", sentence, ask, got)
		}
	}
	day := campaign.Pace{Messages: 100, Window: window, CatchUp: 1, Location: time.UTC}
	for sentence, c := range map[string]*campaign.Campaign{"the NHS App": {Pace: day, NHSApp: &campaign.NHSApp{}}, "files": {Pace: day, File: &campaign.File{}}} {
		if ask, text := printed(c, 100); ask != 0 || text != "" {
			t.Errorf("%s: %d %s", sentence, ask, text)
		}
	}
}
