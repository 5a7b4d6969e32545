package dispatch

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// pull has a lever pulled after a while, and fails the test when the run does not take it.
func pull(t *testing.T, levers chan<- Order, after time.Duration, l ledger.Command) {
	time.AfterFunc(after, func() {
		done := make(chan error, 1)
		levers <- Order{Command: l, Done: done}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestARunThatIsPausedSendsNothingUntilItContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(200, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		levers := make(chan Order)
		start := time.Now()
		pull(t, levers, 5*time.Second+time.Millisecond, ledger.Command{Verb: record.VerbPause, By: "ann", Reason: "the helpline is full"})
		pull(t, levers, 6*time.Second, ledger.Command{Verb: record.VerbReason, Of: record.VerbPause, By: "ann", Reason: "since noon"})
		time.AfterFunc(7*time.Second, func() {
			if got := b.ledger().Facts().Paused; got != "by ann: since noon" {
				t.Errorf("paused %q", got)
			}
		})
		pull(t, levers, time.Hour, ledger.Command{Verb: record.VerbContinue, By: "bob"})
		pull(t, levers, time.Hour+time.Second, ledger.Command{Verb: record.VerbReason, Of: record.VerbPause, By: "ann", Reason: "too late"})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
			j.Pace.PerSecond, j.Orders = 10, levers
		})
		b.finished(s, summary, err)
		for _, r := range s.requests {
			if at := r.at.Sub(start); at > 5*time.Second+time.Millisecond && at < time.Hour {
				t.Errorf("a request after %s", at)
			}
		}
		var verbs []string
		for _, e := range b.ledger().Facts().Events {
			verbs = append(verbs, e.Verb+" "+e.Detail)
		}
		if got := strings.Join(verbs, "; "); got != "paused by ann: the helpline is full; reason for paused, by ann: since noon; continued by bob; reason for paused, by ann: too late" {
			t.Errorf("the log says %q", got)
		}
	})
}

func TestAPausedRunStaysPausedWhenItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(200, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		levers := make(chan Order)
		pull(t, levers, 5*time.Second, ledger.Command{Verb: record.VerbPause, By: "ann"})
		pull(t, levers, time.Minute, ledger.Command{Verb: record.VerbStop, By: "ann"})
		slow := func(j *Job) { j.Pace.PerSecond, j.Orders = 10, levers }
		_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, slow)
		stoppedBy(t, err, false, "stopped by ann")
		sent := len(s.requests)
		if l := b.ledger(); l.Facts().Paused != "by ann" {
			t.Errorf("the log says paused %q", l.Facts().Paused)
		}
		var waited string
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		_, err = b.start(ctx, &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
			slow(j)
			j.Progress = func(now Snapshot) {
				if now.Waiting != "" {
					waited = now.Waiting
				}
			}
		})
		cancel()
		stoppedBy(t, err, false, "by a signal")
		if len(s.requests) != sent || waited != "the run is paused by ann" {
			t.Errorf("%d requests while it was paused, and it said %q", len(s.requests)-sent, waited)
		}
		// between two starts
		log, err := ledger.Open(b.dir, enginetest.OpenPlan(t, b.dir))
		enginetest.Must(t, err)
		enginetest.Must(t, log.Command(time.Now(), ledger.Command{Verb: record.VerbContinue, By: "bob"}))
		enginetest.Must(t, log.Close())
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
	})
}

func TestTheRateThatAPersonAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(3000, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		levers := make(chan Order)
		start := time.Now()
		pull(t, levers, 100*time.Second, ledger.Command{Verb: record.VerbPace, By: "ann", Pace: pace.Override{PerSecond: 2}})
		pull(t, levers, 200*time.Second, ledger.Command{Verb: record.VerbPace, By: "ann", Pace: pace.Override{FinishBy: start.Add(10*time.Minute + 200*time.Second)}})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
			j.Pace, j.Orders = campaign.Pace{PerSecond: 10, Location: time.UTC}, levers
		})
		b.finished(s, summary, err)
		var sent [3]int
		for _, r := range s.requests {
			switch at := r.at.Sub(start); {
			case at < 100*time.Second:
				sent[0] += r.messages
			case at < 200*time.Second:
				sent[1] += r.messages
			default:
				sent[2] += r.messages
			}
		}
		if sent[0] < 980 || sent[0] > 1000 || sent[1] < 190 || sent[1] > 220 {
			t.Errorf("sent %v", sent)
		}
		if took := time.Since(start); took < 12*time.Minute || took > 14*time.Minute {
			t.Errorf("it took %s", took)
		}
		if l := b.ledger(); l.Facts().Override.FinishBy.IsZero() || math.Abs(l.Facts().Override.PerSecond-1800.0/600) > 0.1 {
			t.Errorf("the log says %+v", l.Facts().Override)
		}
	})
}

// At a slow pace the next request may be far off: who changes that does not wait for it.
func TestALeverIsObeyedAtOnce(t *testing.T) {
	for sentence, test := range map[string]struct {
		before []ledger.Command // a second apart, before the one that is to be obeyed
		lever  ledger.Command
	}{
		"a higher rate":                          {nil, ledger.Command{Verb: record.VerbPace, By: "ann", Pace: pace.Override{PerSecond: 1000}}},
		"a higher rate, and then it continues":   {[]ledger.Command{{Verb: record.VerbPause, By: "ann"}, {Verb: record.VerbPace, By: "ann", Pace: pace.Override{PerSecond: 1000}}}, ledger.Command{Verb: record.VerbContinue, By: "ann"}},
		"a higher rate, at which it had stopped": {[]ledger.Command{{Verb: record.VerbPause, By: "ann"}, {Verb: record.VerbContinue, By: "ann"}}, ledger.Command{Verb: record.VerbPace, By: "ann", Pace: pace.Override{PerSecond: 1000}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			levers := make(chan Order)
			start, at := time.Now(), time.Minute+1700*time.Millisecond
			for i, l := range test.before {
				pull(t, levers, at-time.Duration(len(test.before)-i)*time.Second, l)
			}
			pull(t, levers, at, test.lever)
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
				j.Pace, j.Orders = campaign.Pace{PerSecond: 0.02, Location: time.UTC}, levers
			})
			b.finished(s, summary, err)
			if since := s.requests[0].at.Sub(start) - at; since < 0 || since > 100*time.Millisecond {
				t.Errorf("%s: the first request goes out %s after it", sentence, since)
			}
		})
	}
}

// Nothing is asked of a service while the run is paused: give_up_after begins anew when it
// continues.
func TestAPauseIsNoSilence(t *testing.T) {
	for sentence, test := range map[string]struct {
		pause time.Duration // how long the pause is, five minutes after the service fell silent
		want  time.Duration // from then to the halt, at most
	}{
		"it is not paused":     {0, 17 * time.Minute},
		"paused for two hours": {2 * time.Hour, 5*time.Minute + 2*time.Hour + 17*time.Minute},
		"paused for ten hours": {10 * time.Hour, 5*time.Minute + 10*time.Hour + 17*time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
				return engine.Answer{Reply: engine.Unsent, Code: "connect"}, n > 10
			}
			b := newBench(t, enginetest.NewPeople(3000, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			levers := make(chan Order)
			start := time.Now()
			if test.pause > 0 {
				pull(t, levers, 5*time.Minute, ledger.Command{Verb: record.VerbPause, By: "ann"})
				pull(t, levers, 5*time.Minute+test.pause, ledger.Command{Verb: record.VerbContinue, By: "ann"})
			}
			_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: 2 * time.Second}, func(j *Job) {
				j.Pace.PerSecond, j.Orders, j.GiveUpAfter = 10, levers, 15*time.Minute
			})
			stoppedBy(t, err, true, "give_up_after")
			least := 15 * time.Minute
			if test.pause > 0 {
				least += 5*time.Minute + test.pause
			}
			if took := time.Since(start); took < least || took > test.want {
				t.Errorf("%s: it gave up after %s", sentence, took)
			}
		})
	}
}
