package dispatch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// stoppedBy checks that a run was stopped in a way that can be resumed, and why.
func stoppedBy(t *testing.T, err error, halt bool, words string) {
	t.Helper()
	stopped := (*Stopped)(nil)
	if !errors.As(err, &stopped) || stopped.Halt != halt || !strings.Contains(err.Error(), words) {
		t.Fatalf("the run ended with %v, and should have stopped by %q, halt %v", err, words, halt)
	}
}

func answers(n int, a engine.Answer) func(int, *engine.Request) (engine.Answer, bool) {
	return func(i int, _ *engine.Request) (engine.Answer, bool) { return a, i >= n }
}

func TestOneWindowEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour) // it is 05:00
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(290, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		pace := campaign.Pace{Messages: 100, Window: &campaign.Hours{From: 360, To: 420}, Location: time.UTC, LastCall: time.Minute}
		var waited []string
		window := func(j *Job) {
			j.Pace, j.OneWindow = pace, true
			j.Progress = func(p Snapshot) {
				if p.Waiting != "" && len(waited) == 0 {
					waited = append(waited, p.Waiting, p.Until.Format(time.TimeOnly))
				}
			}
		}
		for day := range 3 {
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, window)
			if err == nil {
				b.finished(s, summary, err)
				if day != 2 {
					t.Errorf("finished on day %d", day)
				}
				break
			}
			stoppedBy(t, err, false, "the window has ended")
			if n := summary.Account.Fates[person.Accepted]; n != int64(100*(day+1)) {
				t.Errorf("%d accepted after %d windows", n, day+1)
			}
			time.Sleep(22 * time.Hour)
		}
		if len(waited) == 0 || waited[0] != "window not open yet" || waited[1] != "06:00:00" {
			t.Errorf("while it waited it said %q", waited)
		}
		for _, a := range s.requests {
			if a.at.UTC().Hour() != 6 || a.at.Minute() >= 59 {
				t.Errorf("a request at %s", a.at)
			}
		}
	})
}

func TestUntilEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
			j.Pace.PerSecond, j.Pace.Until = 1, time.Now().Add(45*time.Second)
		})
		stoppedBy(t, err, false, "pace.until has passed")
		if len(s.requests) != 4 {
			t.Errorf("%d requests", len(s.requests))
		}
	})
}

func TestStopIfHaltsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		p := enginetest.NewPeople(1000, 1, nil)
		for row := int64(301); row <= 1000; row += 2 { // from row 301 on every second
			s.refuseRows(row)
		}
		b := newBench(t, p, engine.Limits{Messages: 10, Bytes: 1 << 20})
		rule := func(j *Job) { j.StopIf, j.Ceiling = campaign.StopIf{Refused: 0.1, Of: 100}, 1 }
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, rule)
		stoppedBy(t, err, true, "more than 10 % of the latest 100 messages were refused")
		if n := summary.Account.Fates[person.Refused]; n < 10 || n > 20 {
			t.Errorf("%d were refused before it halted", n)
		}
		if l := b.ledger(); !strings.HasPrefix(l.Facts().LastControl, "halted: more than 10 %") {
			t.Errorf("the log says %q", l.Facts().LastControl)
		}
		// It counts anew in the next process, which may cost as much as the halt has said.
		before := summary.Account.Fates[person.Refused]
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, rule)
		stoppedBy(t, err, true, "a resume counts anew, and may have up to 100 more refused before it stops again")
		if more := summary.Account.Fates[person.Refused] - before; more < 10 || more > 100 {
			t.Errorf("%d more were refused after a resume", more)
		}
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil) // without the rule
		b.finished(s, summary, err)
	})
}

// The hours between two windows are not silence of the service: one failure on either
// side of the night is no reason to give up.
func TestTheNightIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24*time.Hour - 5*time.Minute - 30*time.Second) // 23:54:30, and the night is five minutes
		s := newService(1)
		s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) { // the last of the first day and the first of the second
			return engine.Answer{Reply: engine.Unsent, Code: "not_reached"}, n == 4 || n == 5
		}
		b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
			j.GiveUpAfter = 4 * time.Minute
			j.Pace = campaign.Pace{Messages: 10 * (24*60 - 5), Window: &campaign.Hours{From: 5, To: 24 * 60}, Location: time.UTC}
		})
		if s.requests[4].at.UTC().Hour() != 23 || s.requests[5].at.UTC().Hour() != 0 {
			t.Fatal("the test does not span a night")
		}
		b.finished(s, summary, err)
	})
}

func TestAHaltingAnswerHaltsTheRun(t *testing.T) {
	for sentence, reply := range map[string]engine.Answer{
		"credentials that are refused": {Reply: engine.Refused, Status: 401, Code: "DENIED", Halt: "the credentials are refused"},
		"no token to be had":           {Reply: engine.Unsent, Code: "no_token", Halt: "the credentials are refused"},
		"in doubt, and halting":        {Reply: engine.Unknown, Status: 500, Code: "X", Halt: "the credentials are refused"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			s.fault = answers(3, reply)
			b := newBench(t, enginetest.NewPeople(100, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Ceiling = 2 })
			stoppedBy(t, err, true, "the credentials are refused")
			if summary.Account.Fates[person.Accepted] != 30 || len(s.requests) > 5 {
				t.Errorf("%s: %d requests, %v", sentence, len(s.requests), summary.Account.Fates)
			}
			s.fault = nil
			summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
			b.finished(s, summary, err)
		})
	}
}

// A stop lets what is under way finish within the grace, and cuts off what does not.
func TestTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		ctx, cancel := context.WithCancel(t.Context())
		hung := enginetest.TestRun.References().Batch(0, 1, 0, 0)
		c := &connection{kind: engine.Deduplicates, service: s, took: 20 * time.Second, hang: func(r *engine.Request) bool { return r.Reference == hung }}
		time.AfterFunc(5*time.Second, cancel)
		start := time.Now()
		summary, err := b.start(ctx, c, func(j *Job) { j.Ceiling, j.Grace = 3, 30*time.Second })
		stoppedBy(t, err, false, "stopped by a signal")
		if took := time.Since(start); took != 35*time.Second {
			t.Errorf("it ended after %s", took)
		}
		f := summary.Account.Fates
		if f[person.Accepted] != 20 || f[person.InDoubt] != 10 || f[person.NotSent] != 70 || len(s.requests) != 2 {
			t.Errorf("%v after %d requests", f, len(s.requests))
		}
		if l := b.ledger(); l.Facts().LastControl != "stopped: stopped by a signal" || l.Account().Fates[person.InDoubt] != 10 {
			t.Errorf("the log says %q and %v", l.Facts().LastControl, l.Account().Fates)
		}
		// What was cut off is replayed first, under the same reference.
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Ceiling = 1 })
		b.finished(s, summary, err)
		if s.requests[2].reference != hung {
			t.Errorf("first went %s and not the one in doubt, %s", s.requests[2].reference, hung)
		}
	})
}

// A stop waits for nothing when nothing is under way.
func TestAStopBetweenRequestsIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
		defer cancel()
		start := time.Now()
		summary, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace.PerSecond = 0.5 })
		stoppedBy(t, err, false, "stopped by a signal")
		if took := time.Since(start); took != 95*time.Second || summary.Account.Fates[person.Accepted] != 40 {
			t.Errorf("after %s: %v", took, summary.Account.Fates)
		}
	})
}

// The service knows a reference that this run never sent: it halts, the batch stays as
// it is, and no resume sends it.
func TestAForeignReferenceHaltsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		foreign := enginetest.TestRun.References().Batch(0, 2, 0, 0)
		s.batches[foreign] = true
		b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		for range 2 {
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Ceiling = 1 })
			if len(s.requests) == 3 {
				stoppedBy(t, err, true, "the service already holds batch "+foreign.String())
			}
			if summary.Finished || summary.Account.Fates[person.InDoubt] != 10 {
				t.Errorf("%+v", summary)
			}
			if s := b.ledger().State(plan.FormID{Batch: 2}); s.Phase != ledger.Foreign {
				t.Errorf("the log says %+v", s)
			}
		}
		if again := s.twice(); again != nil {
			t.Errorf("it was sent again: %v", again)
		}
	})
}

// A 429 keeps every request back for as long as it says.
func TestTheServiceAsksForQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
			return engine.Answer{Reply: engine.Refused, Status: 429, Code: "QUOTA", RetryAfter: 90 * time.Second, HoldAll: true}, n == 4
		}
		b := newBench(t, enginetest.NewPeople(200, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: 2 * time.Millisecond}, func(j *Job) { j.Pace.PerSecond = 100 })
		b.finished(s, summary, err)
		quiet := s.requests[4].at
		for _, a := range s.requests[5:] {
			if since := a.at.Sub(quiet); since < 90*time.Second {
				t.Errorf("a request %s after the service asked for quiet", since)
			}
		}
	})
}

// While the service fails the run does not keep it down by knocking: a whole night
// of errors costs few requests, and afterwards everybody is sent to once.
func TestALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		over := time.Now().Add(8 * time.Hour)
		s.fault = func(int, *engine.Request) (engine.Answer, bool) {
			return engine.Answer{Reply: engine.Unknown, Status: 503, Code: "UNAVAILABLE"}, time.Now().Before(over)
		}
		b := newBench(t, enginetest.NewPeople(500, 4, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: time.Second}, nil)
		b.finished(s, summary, err)
		if n := len(s.requests); n > 30_000 {
			t.Errorf("%d requests", n)
		}
	})
}

// Little of the day is lost by a run that nothing stops: the rate is what was asked.
func TestARunKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(6000, 3, nil), engine.Limits{Messages: 20, Bytes: 1 << 20})
		start := time.Now()
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: 3 * time.Second}, func(j *Job) { j.Pace.PerSecond = 20 })
		b.finished(s, summary, err)
		if took := time.Since(start); took < 300*time.Second || took > 306*time.Second {
			t.Errorf("6,000 messages at 20 a second took %s", took)
		}
		for i := 1; i < len(s.requests); i++ {
			if gap := s.requests[i].at.Sub(s.requests[i-1].at); gap < 999*time.Millisecond {
				t.Fatalf("two batches of a second each are %s apart", gap)
			}
		}
	})
}
