package dispatch

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/record"
)

// The service asks for a minute of quiet. Nothing goes out in it. Then requests come back
// gradually, from a tenth of the rate to all of it.
func TestTheRateComesBackGraduallyAfterAQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(20_000, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		start := time.Now()
		var asked time.Time
		s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
			if n != 300 { // after half a minute
				return engine.Answer{}, false
			}
			asked = time.Now()
			return engine.Answer{Reply: engine.Refused, Status: 429, Code: "QUOTA", RetryAfter: time.Minute, HoldAll: true}, true
		}
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace.PerSecond = 100 })
		b.finished(s, summary, err)
		if at := asked.Sub(start); at < 29*time.Second || at > 31*time.Second {
			t.Fatalf("the service asked for quiet after %s", at)
		}
		sent := map[int]int{} // tens of seconds after the quiet
		for i, r := range s.requests {
			since := r.at.Sub(asked.Add(time.Minute))
			if i > 300 && since < 0 {
				t.Fatalf("a request %s before the quiet was over", -since)
			}
			if since >= 0 {
				sent[int(since/(10*time.Second))] += r.messages
			}
		}
		for tens, want := range map[int]int{0: 250, 1: 550, 2: 850, 3: 1000, 5: 1000} {
			if got := sent[tens]; got < want-25 || got > want+25 {
				t.Errorf("%d messages in the ten seconds after second %d of the rest, want about %d", got, 10*tens, want)
			}
		}
	})
}

// Stopped at noon and resumed 36 hours later, a run waits for the next window and goes on
// at the even rate: nobody is sent to twice, and nothing of the lost window is made up.
func TestAStopOfThirtySixHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(6 * time.Hour)
		opens := time.Now()
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(9600, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		pace := campaign.Pace{Messages: 9600, CatchUp: 2, Window: &campaign.Hours{From: 360, To: 1320}, Location: time.UTC, LastCall: time.Minute}
		levers := make(chan Order)
		pull(t, levers, 6*time.Hour, ledger.Command{Verb: record.VerbStop, By: "ann"})
		_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace, j.Orders = pace, levers })
		stoppedBy(t, err, false, "stopped by ann")
		before := len(s.requests)
		time.Sleep(36 * time.Hour)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace = pace })
		b.finished(s, summary, err)
		again := opens.Add(48 * time.Hour) // it is midnight when it is resumed
		even := 9600 / (16*3600.0 - 60)
		for i, r := range s.requests[before:] {
			if r.at.Before(again) {
				t.Fatalf("a request at %s, in no window", r.at)
			}
			if most := even*r.at.Sub(again).Seconds() + 10 + 1; float64((i+1)*10) > most {
				t.Fatalf("%d messages by %s: what was lost is made up", (i+1)*10, r.at)
			}
		}
		if took := time.Since(again); took < 9*time.Hour+50*time.Minute || took > 10*time.Hour+5*time.Minute {
			t.Errorf("the rest took %s", took)
		}
	})
}

// The wall clock is set while a run is at work: it pauses itself, since nobody knows which
// of the two is right, and says so. A process that merely stood still goes on.
func TestARunPausesWhenTheClockIsSet(t *testing.T) {
	type look struct{ wall, ran time.Duration } // that both clocks seem to have gone on since the look before
	slew := slices.Repeat([]look{{1010 * time.Millisecond, time.Second}}, 6200)
	for sentence, test := range map[string]struct {
		looks  []look
		paused string
	}{
		"set back by two hours":          {[]look{{-2 * time.Hour, time.Second}}, "set back by 2h0m1s"},
		"set forward by two hours":       {[]look{{2 * time.Hour, 0}}, "set forward by 2h0m0s"},
		"a little":                       {[]look{{30 * time.Second, 0}}, ""},
		"the machine slept for 36 hours": {[]look{{36 * time.Hour, 36 * time.Hour}}, ""},
		"two steps of 50 seconds":        {[]look{{50 * time.Second, 0}, {time.Hour, time.Hour}, {50 * time.Second, 0}}, "set forward by 1m40s"},
		"one forward and one back":       {[]look{{50 * time.Second, 0}, {time.Hour, time.Hour}, {-50 * time.Second, 0}}, ""},
		"little by little, over hours":   {slew, "set forward by 1m0s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, enginetest.NewPeople(20, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			plan := enginetest.OpenPlan(t, b.dir)
			log, err := ledger.Open(b.dir, plan)
			enginetest.Must(t, err)
			job := Job{Plan: plan, Log: log, Source: b.people, Sink: &connection{kind: engine.Deduplicates, service: newService(1)}, Start: ledger.Start{At: time.Now(), Version: "test"}, Pace: campaign.Pace{Location: time.UTC}}
			job.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
			enginetest.Must(t, log.Open(job.Start))
			r := newRun(job.withDefaults(), func() {})
			r.tick()
			if log.Ledger.Facts().Paused != "" {
				t.Fatalf("%s: paused at the first look", sentence)
			}
			for _, l := range test.looks {
				r.clock.wall, r.clock.ran = r.clock.wall.Add(-l.wall), r.clock.ran-l.ran
				r.checkClock(time.Now())
			}
			if said := log.Ledger.Facts().Paused; (said != "") != (test.paused != "") || !strings.Contains(said, test.paused) {
				t.Errorf("%s: paused %q", sentence, said)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := r.gate.WaitN(ctx, 1); (err != nil) != (test.paused != "") {
				t.Errorf("%s: the gate says %v", sentence, err)
			}
			enginetest.Must(t, log.Close())
		})
	}
}

// A person who lets a run continue after its clock was set vouches for the clock. A step during
// a pause for another reason is reported when that pause is over.
func TestTheClockIsRightFromWhenTheRunContinues(t *testing.T) {
	for sentence, test := range map[string]struct {
		paused bool // by a person, before the clock is set
		again  bool // it pauses itself again after that
	}{
		"it paused itself":                 {false, false},
		"it was paused for something else": {true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, enginetest.NewPeople(20, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			plan := enginetest.OpenPlan(t, b.dir)
			log, err := ledger.Open(b.dir, plan)
			enginetest.Must(t, err)
			job := Job{Plan: plan, Log: log, Source: b.people, Sink: &connection{kind: engine.Deduplicates, service: newService(1)}, Start: ledger.Start{At: time.Now(), Version: "test"}, Pace: campaign.Pace{Location: time.UTC}}
			enginetest.Must(t, log.Open(job.Start))
			r := newRun(job.withDefaults(), func() {})
			ask := func(verb record.Verb) {
				enginetest.Must(t, r.order(Order{Command: ledger.Command{Verb: verb, By: "ann"}}, time.Now()))
			}
			if test.paused {
				ask(record.VerbPause)
			}
			r.clock.wall = r.clock.wall.Add(-time.Hour)
			r.checkClock(time.Now())
			if by := "by cohort itself"; strings.Contains(log.Ledger.Facts().Paused, by) == test.paused || log.Ledger.Facts().Paused == "" {
				t.Fatalf("%s: paused %q", sentence, log.Ledger.Facts().Paused)
			}
			ask(record.VerbContinue)
			r.checkClock(time.Now())
			if again := strings.Contains(log.Ledger.Facts().Paused, "set forward by 1h"); again != test.again {
				t.Errorf("%s: then paused %q", sentence, log.Ledger.Facts().Paused)
			}
			enginetest.Must(t, log.Close())
		})
	}
}
