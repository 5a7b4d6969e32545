package engine

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

	"cohort/engine/campaign"
	"cohort/ingest/person"
)

func mixedPeople(n, shards int) *people {
	return newPeople(n, shards, some(13, person.Duplicate, some(7, person.Suppressed)))
}

func TestARunWithoutFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, mixedPeople(500, 3), Limits{Messages: 20, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		if again := s.twice(); again != nil {
			t.Errorf("sent twice without need: %v", again)
		}
		// Resuming a finished run sends nothing.
		before := len(s.requests)
		summary, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
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
			b := newBench(t, p, Limits{Messages: 5 + int(seed), Bytes: 1 << 20})
			pace := campaign.Pace{Location: time.UTC}
			if seed%3 == 0 {
				pace.PerSecond = 50
			}
			summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s, took: time.Second}, func(j *Job) { j.Pace = pace })
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
			b := newBench(t, mixedPeople(240, 2), Limits{Messages: 4 + int(seed%9), Bytes: 1 << 20})
			for process := 0; ; process++ {
				ctx, cancel := context.WithCancel(t.Context())
				c := &connection{kind: Deduplicates, service: s, took: 2 * time.Second}
				crash, next := rng.IntN(12), filepath.Join(t.TempDir(), "run")
				crashed := false
				c.onSend = func(n int, _ *Request) {
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
			b := newBench(t, mixedPeople(200, 2), Limits{Messages: 10, Bytes: 1 << 20})
			for stops := 0; ; stops++ {
				ctx, cancel := context.WithCancel(t.Context())
				if stops < 5 {
					time.AfterFunc(time.Duration(rng.IntN(20_000))*time.Millisecond, cancel)
				}
				summary, err := b.start(ctx, &connection{kind: Deduplicates, service: s, took: 3 * time.Second}, func(j *Job) {
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
	for _, kind := range []Kind{CanBeAsked, Neither} {
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(seed)
				s.forgetful = true
				s.fault = func(int, *Request) (Answer, bool) {
					if s.rng.IntN(4) == 0 {
						return Answer{Reply: Unknown, Status: 504, Code: "GATEWAY"}, true
					}
					return Answer{}, false
				}
				b := newBench(t, newPeople(200, 2, nil), Limits{Messages: 5, Bytes: 1 << 20})
				ctx, cancel := context.WithCancel(t.Context())
				c := &connection{kind: kind, service: s, took: 2 * time.Second}
				next := filepath.Join(t.TempDir(), "run")
				c.onSend = func(n int, _ *Request) {
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
				must(t, err)
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
				if l := b.ledger(); l.Closed {
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
		b := &bench{t, newPeople(60, 2, nil), t.TempDir()}
		batches, err := Cut(t.Context(), testRun, b.people, encoding{}, Limits{Messages: 1, Bytes: 1 << 20})
		must(t, err)
		header := testHeader(b.people)
		header.NeverAgain = true
		must(t, Seal(b.dir, header, batches, nil))
		ctx, cancel := context.WithCancel(t.Context())
		c := &connection{kind: CanBeAsked, service: s, took: 2 * time.Second}
		next := filepath.Join(t.TempDir(), "run")
		c.onSend = func(n int, _ *Request) {
			if n == 9 {
				copyRun(t, b.dir, next)
				c.die()
				cancel()
			}
		}
		_, _ = b.start(ctx, c, nil)
		b.dir = next
		summary, err := b.start(t.Context(), &connection{kind: CanBeAsked, service: s, took: time.Second}, nil)
		must(t, err)
		doubtful := summary.Account.Fates[person.InDoubt]
		if !summary.Finished || doubtful == 0 || int64(summary.Held) != doubtful || doubtful+summary.Account.Fates[person.Accepted] != 60 || s.twice() != nil {
			t.Errorf("%+v, twice %v", summary, s.twice())
		}
		l := b.ledger()
		if d, err := l.Decisions(); err != nil || len(d.Held) != summary.Held || l.Settleable() != 0 || l.Closed {
			t.Errorf("%d held, %d that a replay could settle: %v", len(d.Held), l.Settleable(), err)
		}
		b.asks(int(doubtful))
	})
}

// asks settles all but one of the messages in doubt, as the service's receipts may.
func (b *bench) asks(doubtful int) {
	b.Helper()
	plan := openPlan(b.T, b.dir)
	defer func() { _ = plan.Close() }()
	log, err := OpenProgressLog(b.dir, plan)
	must(b.T, err)
	forms, since, err := log.Doubtful(b.people)
	must(b.T, err)
	if len(forms) != doubtful || since.IsZero() || since.After(time.Now()) {
		b.Errorf("%d messages are in doubt, not %d, since %s", len(forms), doubtful, since)
	}
	found := map[FormID]string{}
	for r, id := range forms {
		found[id] = "id of " + r.String()
	}
	for _, id := range forms {
		delete(found, id)
		break
	}
	must(b.T, log.Found(time.Now(), found))
	if got := log.Account().Fates[person.InDoubt]; got != int64(doubtful-len(found)) {
		b.Errorf("%d are in doubt still", got)
	}
	must(b.T, log.Close())
	ledger, err := ReadLedger(b.dir, plan)
	must(b.T, err)
	trail, err := OpenTrail(b.dir, plan, ledger)
	must(b.T, err)
	defer func() { _ = trail.Close() }()
	told := 0
	for shard := range b.people.Shards() {
		for p, err := range b.people.Recipients(shard, 0, b.people.Positions(shard)) {
			must(b.T, err)
			o, err := trail.Outcome(p.Row, shard, p.Position)
			must(b.T, err)
			if o.Code != codeReceipt {
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

// An outage of a service that cannot be replayed to costs what was under way when it began
// and then one message a probe, not one for every request that the pace allows.
func TestAnOutageCostsFewMessages(t *testing.T) {
	const perSecond, took = 100, 200 * time.Millisecond
	for _, test := range []struct {
		sentence string
		answer   Answer
		outage   time.Duration
		most     int64 // messages in doubt
		ends     bool
	}{
		{"a minute of 504", Answer{Reply: Unknown, Status: 504, Code: "GATEWAY"}, time.Minute, 100, true},
		{"a minute of 503, with five seconds to wait", Answer{Reply: Unknown, Status: 503, Code: "AWAY", HoldAll: true, RetryAfter: 5 * time.Second}, time.Minute, 100, true},
		{"a minute without answers", Answer{Reply: Unknown, Code: "no_answer"}, time.Minute, 100, true},
		{"a night of 504", Answer{Reply: Unknown, Status: 504, Code: "GATEWAY"}, 8 * time.Hour, 120, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			s.forgetful = true
			began := time.Now()
			out, back := began.Add(5*time.Second), began.Add(5*time.Second+test.outage)
			s.fault = func(int, *Request) (Answer, bool) {
				now := time.Now()
				return test.answer, now.After(out) && now.Before(back)
			}
			b := &bench{t, newPeople(3000, 2, nil), t.TempDir()}
			batches, err := Cut(t.Context(), testRun, b.people, encoding{}, Limits{Messages: 1, Bytes: 1 << 20})
			must(t, err)
			header := testHeader(b.people)
			header.NeverAgain = true
			must(t, Seal(b.dir, header, batches, nil))
			summary, err := b.start(t.Context(), &connection{kind: CanBeAsked, service: s, took: took}, func(j *Job) {
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
	for sentence, change := range map[string]func(*people){
		"a name has changed, not its length": func(p *people) { p.shards[0][0].Fields[0] = "Taken0" },
		"a person is newly left out":         func(p *people) { p.shards[0][0].Suppressed = true },
		"the spool cannot be read":           func(p *people) { p.failAt = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, newPeople(3, 1, nil), Limits{Messages: 100, Bytes: 1 << 20})
			change(b.people)
			_, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
			if !errors.Is(err, ErrChanged) && !errors.Is(err, errUnreadable) {
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
