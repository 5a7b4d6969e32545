package dispatch

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// A run of five minutes at a service that refuses every twenty-fifth request takes little
// longer for it: each refusal costs its second of quiet and the seconds of coming back.
func TestARunAtAServiceThatRefusesTheOddRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rng := newService(1), rand.New(rand.NewPCG(3, 4))
		s.fault = func(int, *engine.Request) (engine.Answer, bool) {
			return engine.Answer{Reply: engine.Refused, Status: 503, Code: "BUSY", RetryAfter: time.Second, HoldAll: true}, rng.IntN(25) == 0
		}
		b := newBench(t, enginetest.NewPeople(3000, 2, nil), engine.Limits{Messages: 1, Bytes: 1 << 20})
		start := time.Now()
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace.PerSecond = 10 })
		b.finished(s, summary, err)
		if took := time.Since(start); took > 12*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAClockThatWasSetIsNoticed(t *testing.T) {
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	for sentence, test := range map[string]struct {
		wall, ran, want time.Duration
	}{
		"both go on":                 {time.Second, time.Second, 0},
		"the process stood still":    {time.Hour, time.Hour, 0},
		"it drifts":                  {time.Hour + time.Minute, time.Hour, 0},
		"it was set forward":         {time.Hour, time.Second, time.Hour - time.Second},
		"it was set back":            {-time.Hour, time.Second, -time.Hour - time.Second},
		"a little more than a drift": {62 * time.Second, time.Second, 61 * time.Second},
	} {
		if got := (&wallClock{wall: at}).stepped(at.Add(test.wall), test.ran); got != test.want {
			t.Errorf("%s: %s, want %s", sentence, got, test.want)
		}
	}
}

// A stop of an hour is made up as far as catch_up allows, also by the process after it.
func TestTimeLostIsMadeUp(t *testing.T) {
	for sentence, test := range map[string]struct {
		pace campaign.Pace
		done bool // within the window
	}{
		"nothing is made up":          {campaign.Pace{Messages: 3600, CatchUp: 1}, false},
		"an hour of ten, by a fifth":  {campaign.Pace{Messages: 3600, CatchUp: 1.2}, true},
		"spread, and nothing made up": {campaign.Pace{Messages: 7200, Spread: true, CatchUp: 1}, false},
		"spread, and made up":         {campaign.Pace{Messages: 7200, Spread: true, CatchUp: 1.2}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(5 * time.Hour)
			opens := time.Now().Add(time.Hour)
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(3500, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			test.pace.Window, test.pace.Location, test.pace.LastCall = &campaign.Hours{From: 360, To: 960}, time.UTC, time.Minute
			run := func(until time.Time) (Summary, error) {
				return b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
					j.Pace, j.OneWindow = test.pace, true
					if !until.IsZero() {
						stop := make(chan Order)
						j.Orders = stop
						time.AfterFunc(time.Until(until), func() {
							stop <- Order{Command: ledger.Command{Verb: record.VerbStop, By: "a test"}, Done: make(chan error, 1)}
						})
					}
				})
			}
			_, err := run(opens.Add(2 * time.Hour))
			stoppedBy(t, err, false, "stopped by a test")
			time.Sleep(time.Hour)
			summary, err := run(time.Time{})
			if done := err == nil && summary.Finished; done != test.done {
				t.Errorf("%s: done %v, %v, %v", sentence, done, summary.Account.Fates, err)
			}
			for i, r := range s.requests { // never faster than may be made up
				if i > 0 && float64(r.messages)/r.at.Sub(s.requests[i-1].at).Seconds() > 1.25*3600/(10*3600)*1.01 && test.pace.CatchUp == 1.2 {
					t.Fatalf("%s: request %d of %d at %s: %d messages %s after the batch before", sentence, i, len(s.requests), r.at.Format(time.TimeOnly), r.messages, r.at.Sub(s.requests[i-1].at))
				}
			}
			if !test.done && summary.Account.Fates[person.NotSent] == 0 {
				t.Errorf("%s: everything was sent", sentence)
			}
		})
	}
}
