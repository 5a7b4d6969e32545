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
			campaign.Pace{Messages: 3_400_000, Window: window, CatchUp: 1}, 3_400_000, 420,
			"callbacks about 7 for each message, if you ask for all statuses; 414 a second at most\n" +
				"          at the usual 10 a second they take 28 days; ask NHS Notify for 420 a second (rounded up): docs/callbacks.md\n",
		},
		"that makes up lost time": {
			campaign.Pace{Messages: 3_400_000, Window: window, CatchUp: 2}, 3_400_000, 830,
			"callbacks about 7 for each message, if you ask for all statuses; 827 a second at most\n" +
				"          at the usual 10 a second they take 28 days; ask NHS Notify for 830 a second (rounded up): docs/callbacks.md\n",
		},
		"a slow run": {
			campaign.Pace{PerSecond: 1}, 60_000, 10, "callbacks about 7 for each message, if you ask for all statuses; 7 a second at most\n" +
				"          at the usual 10 a second they take 12 hours, so there is no rate to ask for\n",
		},
		"a short run": {
			campaign.Pace{PerSecond: 200}, 9950, 10, "callbacks about 7 for each message, if you ask for all statuses; 1400 a second at most\n" +
				"          at the usual 10 a second they take 116 minutes, so there is no rate to ask for\n",
		},
		"a small run without a rate": {
			campaign.Pace{}, 60, 0, "callbacks about 7 for each message, if you ask for all statuses\n" +
				"          at the usual 10 a second they take 42 seconds: docs/callbacks.md\n",
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
