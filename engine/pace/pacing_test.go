package pace

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/enginetest"
)

// A window in the night of a clock change has the length that the wall clock shows, and its
// requests are even.
func TestTheGateInTheNightsWhenTheClocksChange(t *testing.T) {
	for sentence, test := range map[string]struct {
		from, to   int // minutes of the day
		start      string
		first, end string // of the requests
		hours      float64
	}{
		"by day in spring, 16 hours":                   {6 * 60, 22 * 60, "2026-03-28 23:00:00 GMT", "2026-03-29 06:00:00 BST", "2026-03-29 22:00:00 BST", 16},
		"by day in autumn, 16 hours":                   {6 * 60, 22 * 60, "2026-10-24 23:00:00 BST", "2026-10-25 06:00:00 GMT", "2026-10-25 22:00:00 GMT", 16},
		"around the hour that is missing, one hour":    {30, 150, "2026-03-28 23:00:00 GMT", "2026-03-29 00:30:00 GMT", "2026-03-29 02:30:00 BST", 1},
		"around the hour that comes twice, 3 hours":    {30, 150, "2026-10-24 23:00:00 BST", "2026-10-25 00:30:00 BST", "2026-10-25 02:30:00 GMT", 3},
		"begun in that hour, the first time":           {30, 150, "2026-10-25 01:45:00 BST", "2026-10-25 01:45:00 BST", "2026-10-25 02:30:00 GMT", 3},
		"begun in that hour, the second time":          {30, 150, "2026-10-25 01:45:00 GMT", "2026-10-25 01:45:00 GMT", "2026-10-25 02:30:00 GMT", 3},
		"over midnight into the missing hour, 7 hours": {22 * 60, 6 * 60, "2026-03-28 21:00:00 GMT", "2026-03-28 22:00:00 GMT", "2026-03-29 06:00:00 BST", 7},
		"over midnight into the hour twice, 9 hours":   {22 * 60, 6 * 60, "2026-10-24 21:00:00 BST", "2026-10-24 22:00:00 BST", "2026-10-25 06:00:00 GMT", 9},
	} {
		zone := enginetest.London(t)
		start, first, end := wall(t, test.start), wall(t, test.first), wall(t, test.end)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(start))
			const capacity, batch = 36_000, 10
			p := campaign.Pace{Messages: capacity, Window: &campaign.Hours{From: test.from, To: test.to}, Location: zone, LastCall: time.Minute}
			all, err := throughGate(t.Context(), gateOf(p, true, batch), 3, func() int { return batch })
			if !errors.Is(err, ErrWindowOver) || len(all) == 0 {
				t.Fatalf("%s: %d requests, ended by %v", sentence, len(all), err)
			}
			open := test.hours*3600 - 60 // of the whole window
			gap := time.Duration(batch / (capacity / open) * float64(time.Second))
			if at := all[0].At; at.Before(first) || at.After(first.Add(gap+nap)) {
				t.Errorf("%s: the first request goes out at %s", sentence, at.In(zone))
			}
			lastCall := end.Add(-time.Minute)
			if at := all[len(all)-1].At; !at.Before(lastCall) || at.Before(lastCall.Add(-gap-nap)) {
				t.Errorf("%s: the last request goes out at %s", sentence, at.In(zone))
			}
			for i, s := range all[1:] { // even through the change itself
				if d := s.At.Sub(all[i].At); d > gap+nap || d < gap-nap {
					t.Fatalf("%s: %s after the request before, at %s; %s is even", sentence, d, s.At.In(zone), gap)
				}
			}
		})
	}
}
