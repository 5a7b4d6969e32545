package dispatch

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/recovery"
	"cohort/ingest/person"
)

// newDatedBench is newBench with a plan that was made now.
func newDatedBench(t *testing.T, p *enginetest.People, limits engine.Limits) *bench {
	t.Helper()
	b := &bench{t, p, t.TempDir()}
	batches, err := plan.Cut(t.Context(), enginetest.TestRun.References(), p, enginetest.Encoding{}, limits, "")
	enginetest.Must(t, err)
	header := enginetest.TestHeader(p)
	header.Created = time.Now()
	enginetest.Must(t, plan.Seal(b.dir, header, batches, nil))
	return b
}

// recover recovers the run in the folder.
func (b *bench) recover(r recovery.Recovery) recovery.RecoveredLog {
	b.Helper()
	r.At = time.Now()
	done, err := recovery.Recover(b.dir, enginetest.OpenPlan(b.T, b.dir), r)
	enginetest.Must(b.T, err)
	enginetest.Must(b.T, done.Ledger.Account().Check())
	if diff := difference(done.Ledger, b.ledger()); diff != "" {
		b.Fatal(diff)
	}
	_, err = inspect.Check(b.dir, enginetest.OpenPlan(b.T, b.dir))
	enginetest.Must(b.T, err)
	return done
}

// segments lists the files of a log that are segments.
func segments(t testing.TB, folder string) (all []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(folder, "*.log"))
	enginetest.Must(t, err)
	return all
}

// damage does to a log one of the things that happen to logs.
func (b *bench) damage(rng *rand.Rand) string {
	b.Helper()
	folder := filepath.Join(b.dir, ledger.LogFolder)
	all := segments(b.T, folder)
	name := all[rng.IntN(len(all))]
	raw, err := os.ReadFile(name)
	enginetest.Must(b.T, err)
	switch rng.IntN(4) {
	case 0:
		enginetest.Must(b.T, os.RemoveAll(folder))
		return "it was removed"
	case 1:
		enginetest.Must(b.T, os.Remove(name))
		return "a segment was removed"
	case 2:
		enginetest.Must(b.T, os.WriteFile(name, raw[:rng.IntN(len(raw))], 0o600))
		return "a segment was truncated"
	default:
		raw[rng.IntN(len(raw))] ^= 1 << rng.IntN(8)
		enginetest.Must(b.T, os.WriteFile(name, raw, 0o600))
		return "a bit was flipped"
	}
}

// Logs are lost and damaged at random moments, under faults, refused rows, splits, lists
// that grow, crashes, and a validator that changes its rules overnight. Nobody is accepted
// twice. Nobody is sent to who was listed before the first request. Every fate is true.
func TestLogsThatAreLost(t *testing.T) {
	recoveries, replayed, withheld, held := 0, 0, 0, 0
	for seed := range uint64(24) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.25
			s.refuseRows(4, 5, 77, 130)
			if seed%4 == 0 {
				s.most = 3
			}
			rng := rand.New(rand.NewPCG(seed, 5))
			b := newDatedBench(t, mixedPeople(240, 2), engine.Limits{Messages: 4 + int(seed%9), Bytes: 1 << 20})
			l := newRegistry(b.people)
			heard := map[engine.Reference]bool{} // messages that were ever on the wire
			s.fault = func(_ int, r *engine.Request) (engine.Answer, bool) {
				for _, m := range r.Messages {
					heard[m] = true
				}
				return engine.Answer{}, false
			}
			intime := map[int64]bool{} // listed before
			grow := func(n int) {
				for range n {
					row := 1 + rng.Int64N(240)
					l.list("opted_out", row)
					intime[row] = intime[row] || !heard[enginetest.TestRun.References().Message(row)]
				}
			}
			var summary Summary
			for process := 0; ; process++ {
				grow(4)
				ctx, cancel := context.WithCancel(t.Context())
				c := &connection{kind: engine.Deduplicates, service: s, took: 2 * time.Second}
				crash, next := 2+rng.IntN(20), filepath.Join(t.TempDir(), "run")
				crashed := false
				c.onSend = func(n int, _ *engine.Request) {
					if n >= crash && process < 6 && !crashed {
						crashed = true
						copyRun(t, b.dir, next)
						c.die()
						cancel()
					}
				}
				var err error
				summary, err = b.start(ctx, c, func(j *Job) {
					j.Ceiling, j.Grace, j.Lists = 4, time.Duration(rng.IntN(5))*time.Second+1, l.lists
				})
				cancel()
				if !crashed {
					enginetest.Must(t, err)
					if process < 7 && rng.IntN(2) == 0 { // once more, and this time of a finished run
						process = 7
					} else {
						break
					}
				} else {
					b.dir = next
				}
				if rng.IntN(3) == 0 {
					time.Sleep(30 * time.Hour) // and what was refused is not any more
					clear(s.bad)
				}
				what := b.damage(rng)
				lost := rng.IntN(10) == 0
				if lost {
					enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.RevisionsFolder)))
				}
				done := b.recover(recovery.Recovery{Attempts: uint64(len(s.requests))})
				recoveries++
				if lost && done.Ledger.Facts().Hold != ledger.HoldRevisionsLost {
					t.Fatalf("seed %d: %s, and the hold is %q", seed, what, done.Ledger.Facts().Hold)
				}
				for row, o := range b.outcomes() {
					if o.Fate == person.Accepted || o.Fate == person.NotSent {
						t.Fatalf("seed %d, row %d is said to be %s after %s", seed, row, o.Fate, what)
					}
				}
			}
			folded := b.ledger()
			decisions, err := decision.Find(folded)
			enginetest.Must(t, err)
			if len(decisions.Withheld) > 0 && seed%2 == 0 { // a person says to send them
				withheld++
				log, err := ledger.Open(b.dir, enginetest.OpenPlan(t, b.dir))
				enginetest.Must(t, err)
				n, err := decision.Resolve(log, time.Now(), record.ResultReplay, "decided")
				enginetest.Must(t, errors.Join(err, log.Close()))
				if n != len(decisions.Withheld) {
					t.Errorf("%d of %d were released", n, len(decisions.Withheld))
				}
				clear(intime)
				summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
				enginetest.Must(t, err)
				if d, err := decision.Find(b.ledger()); err != nil || len(d.Withheld) != 0 {
					t.Errorf("%d are held again, %v", len(d.Withheld), err)
				}
			}
			for row, o := range b.outcomes() {
				m := enginetest.TestRun.References().Message(row)
				sent := s.accepted[m.String()]
				switch {
				case sent > 1,
					o.Fate == person.Accepted && sent != 1, o.Fate == person.Refused && sent != 0, o.Fate == person.Suppressed && sent != 0,
					o.Fate == person.NotSent:
					t.Errorf("seed %d, row %d was accepted %d times: %+v", seed, row, sent, o)
				case intime[row] && sent > 0:
					t.Errorf("seed %d, row %d was listed before it was first on the wire, and sent: %+v", seed, row, o)
				case o.Fate == person.InDoubt && (o.BatchReference == "" || o.Reason == ""):
					t.Errorf("seed %d, row %d is in doubt and nothing says where to ask: %+v", seed, row, o)
				case l.rows[row] != "" && o.Fate == person.Accepted && o.Code != ledger.CodeListedTooLate:
					t.Errorf("seed %d, row %d was listed and nothing says so: %+v", seed, row, o)
				case o.Fate == person.Accepted && o.MessageID == "":
					replayed++
				case o.Fate == person.InDoubt:
					held++
				}
			}
			if !summary.Finished || summary.Account.Check() != nil {
				t.Errorf("seed %d: %+v", seed, summary)
			}
			for _, w := range s.wrong {
				t.Error(w)
			}
		})
	}
	t.Logf("%d recoveries; %d messages found to have been accepted, %d in doubt; released %d times", recoveries, replayed, held, withheld)
	if recoveries < 60 || replayed < 500 || held == 0 || withheld == 0 {
		t.Error("that is too little to have shown anything")
	}
}
