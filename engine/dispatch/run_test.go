package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

func mixedPeople(n, shards int) *enginetest.People {
	return enginetest.NewPeople(n, shards, some(13, person.Duplicate, some(7, person.Suppressed)))
}

func TestARunWithoutFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, mixedPeople(500, 3), engine.Limits{Messages: 20, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		if again := s.twice(); again != nil {
			t.Errorf("sent twice without need: %v", again)
		}
		// Resuming a finished run sends nothing.
		before := len(s.requests)
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		if len(s.requests) != before {
			t.Error("a finished run was sent again")
		}
	})
}

// Whatever befalls the requests, in one process: everybody exactly once.
func TestARunUnderFaults(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.15 + float64(seed%4)*0.15
			p := mixedPeople(300, 1+int(seed%3))
			if seed%2 == 0 {
				s.refuseRows(3, 50, 51, 52, 53, 120, 299)
			}
			if seed%5 == 0 {
				s.most = 7
			}
			b := newBench(t, p, engine.Limits{Messages: 5 + int(seed), Bytes: 1 << 20})
			pace := campaign.Pace{Location: time.UTC}
			if seed%3 == 0 {
				pace.PerSecond = 50
			}
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: time.Second}, func(j *Job) { j.Pace = pace })
			b.finished(s, summary, err)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// The process dies at a random request, with others under way, and another takes on a
// copy of the folder as the crash left it; again and again. What the dead process had
// on the wire may still arrive. Everybody is accepted exactly once.
func TestARunThatCrashes(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.2
			s.refuseRows(4, 5, 77)
			rng := rand.New(rand.NewPCG(seed, 2))
			b := newBench(t, mixedPeople(240, 2), engine.Limits{Messages: 4 + int(seed%9), Bytes: 1 << 20})
			for process := 0; ; process++ {
				ctx, cancel := context.WithCancel(t.Context())
				c := &connection{kind: engine.Deduplicates, service: s, took: 2 * time.Second}
				crash, next := rng.IntN(12), filepath.Join(t.TempDir(), "run")
				crashed := false
				c.onSend = func(n int, _ *engine.Request) {
					if n >= crash && process < 6 && !crashed {
						crashed = true
						copyRun(t, b.dir, next)
						c.die()
						cancel()
					}
				}
				summary, err := b.start(ctx, c, func(j *Job) { j.Ceiling, j.Grace = 4, time.Duration(rng.IntN(5))*time.Second+1 })
				cancel()
				if !crashed {
					b.finished(s, summary, err)
					break
				}
				b.dir = next
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// A process is stopped by a signal at random moments and resumed.
func TestARunThatIsStoppedAndResumed(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.2
			s.refuseRows(9)
			rng := rand.New(rand.NewPCG(seed, 3))
			b := newBench(t, mixedPeople(200, 2), engine.Limits{Messages: 10, Bytes: 1 << 20})
			for stops := 0; ; stops++ {
				ctx, cancel := context.WithCancel(t.Context())
				if stops < 5 {
					time.AfterFunc(time.Duration(rng.IntN(20_000))*time.Millisecond, cancel)
				}
				summary, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s, took: 3 * time.Second}, func(j *Job) {
					j.Pace.PerSecond, j.Grace = 5, time.Duration(1+rng.IntN(4000))*time.Millisecond
				})
				cancel()
				if stopped := (*Stopped)(nil); errors.As(err, &stopped) {
					if stopped.Halt || summary.Finished || summary.Account.Check() != nil {
						t.Fatalf("seed %d: %v, %+v", seed, err, summary)
					}
					if again := b.ledger(); fmt.Sprint(again.Account()) != fmt.Sprint(summary.Account) {
						t.Fatalf("seed %d: the log says %v and the run %v", seed, again.Account(), summary.Account)
					}
					continue
				}
				b.finished(s, summary, err)
				break
			}
		})
	}
}

// A service that would take a message twice is never sent what is in doubt, whether an
// answer was lost, the grace was over, or the process died.
func TestOtherKindsAreNeverReplayed(t *testing.T) {
	for _, kind := range []engine.Kind{engine.CanBeAsked} {
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(seed)
				s.forgetful = true
				s.fault = func(int, *engine.Request) (engine.Answer, bool) {
					if s.rng.IntN(4) == 0 {
						return engine.Answer{Reply: engine.Unknown, Status: 504, Code: "GATEWAY"}, true
					}
					return engine.Answer{}, false
				}
				b := newBench(t, enginetest.NewPeople(200, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
				ctx, cancel := context.WithCancel(t.Context())
				c := &connection{kind: kind, service: s, took: 2 * time.Second}
				next := filepath.Join(t.TempDir(), "run")
				c.onSend = func(n int, _ *engine.Request) {
					if n == 9 {
						copyRun(t, b.dir, next)
						c.die()
						cancel()
					}
				}
				_, err := b.start(ctx, c, nil)
				if stopped := (*Stopped)(nil); !errors.As(err, &stopped) {
					t.Fatal(err)
				}
				b.dir = next
				summary, err := b.start(t.Context(), &connection{kind: kind, service: s, took: time.Second}, nil)
				enginetest.Must(t, err)
				if again := s.twice(); again != nil {
					t.Errorf("kind %d: sent twice: %v", kind, again)
				}
				doubtful := summary.Account.Fates[person.InDoubt]
				if doubtful == 0 || doubtful+summary.Account.Fates[person.Accepted] != 200 {
					t.Errorf("kind %d: %v", kind, summary.Account.Fates)
				}
				for m, n := range s.accepted {
					if n != 1 {
						t.Errorf("message %s was accepted %d times", m, n)
					}
				}
				if l := b.ledger(); l.Facts().Closed {
					t.Error("a run with people in doubt is closed")
				}
			})
		}
	}
}

// Where the plan says that the service would take a message twice, what a process left
// without an answer is held, and the run comes to an end.
func TestWhatIsLeftIsHeldWhereNothingIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.forgetful = true
		b := &bench{t, enginetest.NewPeople(60, 2, nil), t.TempDir()}
		batches, err := plan.Cut(t.Context(), enginetest.TestRun.References(), b.people, enginetest.Encoding{}, engine.Limits{Messages: 1, Bytes: 1 << 20}, "")
		enginetest.Must(t, err)
		header := enginetest.TestHeader(b.people)
		header.NeverAgain = true
		enginetest.Must(t, plan.Seal(b.dir, header, batches, nil))
		ctx, cancel := context.WithCancel(t.Context())
		c := &connection{kind: engine.CanBeAsked, service: s, took: 2 * time.Second}
		next := filepath.Join(t.TempDir(), "run")
		c.onSend = func(n int, _ *engine.Request) {
			if n == 9 {
				copyRun(t, b.dir, next)
				c.die()
				cancel()
			}
		}
		_, _ = b.start(ctx, c, nil)
		b.dir = next
		summary, err := b.start(t.Context(), &connection{kind: engine.CanBeAsked, service: s, took: time.Second}, nil)
		enginetest.Must(t, err)
		doubtful := summary.Account.Fates[person.InDoubt]
		if !summary.Finished || doubtful == 0 || int64(summary.Held) != doubtful || doubtful+summary.Account.Fates[person.Accepted] != 60 || s.twice() != nil {
			t.Errorf("%+v, twice %v", summary, s.twice())
		}
		l := b.ledger()
		if d, err := decision.Find(l); err != nil || len(d.Held) != summary.Held || l.Settleable() != 0 || l.Facts().Closed {
			t.Errorf("%d held, %d that a replay could settle: %v", len(d.Held), l.Settleable(), err)
		}
		b.asks(int(doubtful))
	})
}

// asks settles all but one of the messages in doubt, as the service's receipts may.
func (b *bench) asks(doubtful int) {
	b.Helper()
	planned := enginetest.OpenPlan(b.T, b.dir)
	defer func() { _ = planned.Close() }()
	log, err := ledger.Open(b.dir, planned)
	enginetest.Must(b.T, err)
	forms, since, err := decision.InDoubt(log.Ledger, b.people)
	enginetest.Must(b.T, err)
	if len(forms) != doubtful || since.IsZero() || since.After(time.Now()) {
		b.Errorf("%d messages are in doubt, not %d, since %s", len(forms), doubtful, since)
	}
	found := map[plan.FormID]string{}
	for r, id := range forms {
		found[id] = "id of " + r.String()
	}
	for _, id := range forms {
		delete(found, id)
		break
	}
	enginetest.Must(b.T, decision.Found(log, time.Now(), found))
	if got := log.Ledger.Account().Fates[person.InDoubt]; got != int64(doubtful-len(found)) {
		b.Errorf("%d are in doubt still", got)
	}
	enginetest.Must(b.T, log.Close())
	folded, err := ledger.Read(b.dir, planned)
	enginetest.Must(b.T, err)
	trail, err := outcome.Open(b.dir, planned, folded)
	enginetest.Must(b.T, err)
	defer func() { _ = trail.Close() }()
	told := 0
	for shard := range person.Lane(b.people.Lanes()) {
		for p, err := range b.people.Recipients(shard, 0, b.people.Positions(shard)) {
			enginetest.Must(b.T, err)
			o, err := trail.Outcome(p.Row, shard, p.Position)
			enginetest.Must(b.T, err)
			if o.Code != ledger.CodeReceipt {
				continue
			}
			if told++; o.Fate != person.Accepted || o.MessageID != "id of "+o.MessageReference || o.Reason == "" {
				b.Errorf("%+v", o)
			}
		}
	}
	if told != len(found) {
		b.Errorf("%d messages were found and %d are told", len(found), told)
	}
}

// Some services take no replay. An outage of one costs the requests under way at its start,
// and then one message a probe, not one for every request that the pace allows.
func TestAnOutageCostsFewMessages(t *testing.T) {
	const perSecond, took = 100, 200 * time.Millisecond
	for _, test := range []struct {
		sentence string
		answer   engine.Answer
		outage   time.Duration
		most     int64 // messages in doubt
		ends     bool
	}{
		{"a minute of 504", engine.Answer{Reply: engine.Unknown, Status: 504, Code: "GATEWAY"}, time.Minute, 100, true},
		{"a minute of 503, with five seconds to wait", engine.Answer{Reply: engine.Unknown, Status: 503, Code: "AWAY", HoldAll: true, RetryAfter: 5 * time.Second}, time.Minute, 100, true},
		{"a minute without answers", engine.Answer{Reply: engine.Unknown, Code: "no_answer"}, time.Minute, 100, true},
		{"a night of 504", engine.Answer{Reply: engine.Unknown, Status: 504, Code: "GATEWAY"}, 8 * time.Hour, 120, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			s.forgetful = true
			began := time.Now()
			out, back := began.Add(5*time.Second), began.Add(5*time.Second+test.outage)
			s.fault = func(int, *engine.Request) (engine.Answer, bool) {
				now := time.Now()
				return test.answer, now.After(out) && now.Before(back)
			}
			b := &bench{t, enginetest.NewPeople(3000, 2, nil), t.TempDir()}
			batches, err := plan.Cut(t.Context(), enginetest.TestRun.References(), b.people, enginetest.Encoding{}, engine.Limits{Messages: 1, Bytes: 1 << 20}, "")
			enginetest.Must(t, err)
			header := enginetest.TestHeader(b.people)
			header.NeverAgain = true
			enginetest.Must(t, plan.Seal(b.dir, header, batches, nil))
			summary, err := b.start(t.Context(), &connection{kind: engine.CanBeAsked, service: s, took: took}, func(j *Job) {
				j.Pace.PerSecond, j.Ceiling, j.GiveUpAfter = perSecond, 256, 15*time.Minute
			})
			doubtful, accepted := summary.Account.Fates[person.InDoubt], summary.Account.Fates[person.Accepted]
			if doubtful == 0 || doubtful > test.most || s.twice() != nil {
				t.Errorf("%s: %d messages are in doubt, more than %d; twice %v", test.sentence, doubtful, test.most, s.twice())
			}
			stopped := (*Stopped)(nil)
			if test.ends && (err != nil || accepted+doubtful != 3000) || !test.ends && (!errors.As(err, &stopped) || !stopped.Halt || !strings.Contains(stopped.Why, "give_up_after")) {
				t.Errorf("%s: %v, %v", test.sentence, err, summary.Account.Fates)
			}
			t.Logf("%s: %v after %s", test.sentence, summary.Account.Fates, time.Since(began))
		})
	}
}

// A body that no longer comes out as it was planned is never sent.
func TestARunOnAnotherSpoolSendsNothing(t *testing.T) {
	for sentence, change := range map[string]func(*enginetest.People){
		"a name has changed, not its length": func(p *enginetest.People) { p.ByLane[0][0].Fields[0] = "Taken0" },
		"a person is newly left out":         func(p *enginetest.People) { p.ByLane[0][0].Suppressed = true },
		"the spool cannot be read":           func(p *enginetest.People) { p.FailAt = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 100, Bytes: 1 << 20})
			change(b.people)
			_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
			if !errors.Is(err, plan.ErrChanged) && !errors.Is(err, enginetest.ErrUnreadable) {
				t.Errorf("%s: %v", sentence, err)
			}
			if stopped := (*Stopped)(nil); errors.As(err, &stopped) {
				t.Errorf("%s: it is said that the run can go on: %v", sentence, err)
			}
			if len(s.requests) != 0 {
				t.Errorf("%s: and yet something was sent", sentence)
			}
		})
	}
}
