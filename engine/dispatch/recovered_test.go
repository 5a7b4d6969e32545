package dispatch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/inspect"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/recovery"
	"cohort/ingest/person"
)

// halfSent makes a run that stopped about half way, with one revision.
func halfSent(t *testing.T, s *service) *bench {
	b := newDatedBench(t, enginetest.NewPeople(40, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
	s.refuseRows(1)
	c := &connection{kind: engine.Deduplicates, service: s}
	s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
		return engine.Answer{Reply: engine.Refused, Status: 403, Halt: "enough"}, n >= 5
	}
	_, err := b.start(t.Context(), c, func(j *Job) { j.Ceiling = 1 })
	stoppedBy(t, err, true, "enough")
	s.fault = nil
	return b
}

// A recovery may be cut short at any step. The folder then sends nothing, and the recovery can be
// repeated.
func TestARecoveryThatIsCutShort(t *testing.T) {
	for sentence, cut := range map[string]func(dir string) error{
		"the new log is not whole": func(dir string) error {
			return os.Rename(filepath.Join(dir, ledger.LogFolder), filepath.Join(dir, ledger.NewLogFolder))
		},
		"there is nothing of it": func(dir string) error { return os.RemoveAll(filepath.Join(dir, ledger.LogFolder)) },
		"only a part of it was built": func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, ledger.LogFolder)), os.Mkdir(filepath.Join(dir, ledger.NewLogFolder), 0o700))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := halfSent(t, s)
			enginetest.Must(t, cut(b.dir))
			plan := enginetest.OpenPlan(t, b.dir)
			_, one := ledger.Read(b.dir, plan)
			_, two := ledger.Open(b.dir, plan)
			_, three := inspect.Check(b.dir, plan)
			for _, err := range []error{one, two, three} {
				if !ledger.IsDamage(err) || !strings.Contains(err.Error(), "missing or empty") {
					t.Errorf("%s: %v", sentence, err)
				}
			}
			b.recover(recovery.Recovery{})
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
			if err != nil || !summary.Finished || summary.Account.Fates[person.Accepted] != 39 || summary.Account.Fates[person.Refused] != 1 {
				t.Errorf("%s: %+v, %v", sentence, summary, err)
			}
			whole, err := ledger.Read(b.dir, plan)
			enginetest.Must(t, errors.Join(err, batchesAlone(b.dir, whole)))
			for m, n := range s.accepted {
				if n != 1 {
					t.Errorf("%s: %s was accepted %d times", sentence, m, n)
				}
			}
		})
	}
}

// The damaged log is put aside as it was, under a name of its own each time.
func TestNothingOfALostLogIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := halfSent(t, s)
		name := segments(t, filepath.Join(b.dir, ledger.LogFolder))[0]
		raw, err := os.ReadFile(name)
		enginetest.Must(t, err)
		raw[200] ^= 1
		enginetest.Must(t, os.WriteFile(name, raw, 0o600))
		if by := recovery.Superseding(b.dir, enginetest.OpenPlan(t, b.dir)); by != "" {
			t.Errorf("nobody took its place, and %q is said to have", by)
		}
		one, two := b.recover(recovery.Recovery{}), b.recover(recovery.Recovery{})
		if len(one.Aside) != 1 || len(two.Aside) != 1 || one.Aside[0] == two.Aside[0] {
			t.Fatalf("put aside: %v and %v", one.Aside, two.Aside)
		}
		if kept, err := os.ReadFile(filepath.Join(one.Aside[0], filepath.Base(name))); err != nil || string(kept) != string(raw) {
			t.Errorf("what was put aside has changed: %v", err)
		}
	})
}

// Without the second copy nothing is ever sent again, however often the log and the new
// copy are lost.
func TestWithoutTheSecondCopyNothingIsReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := halfSent(t, s)
		before := len(s.requests)
		for range 2 {
			enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.RevisionsFolder)))
			enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.LogFolder)))
			if done := b.recover(recovery.Recovery{}); done.Ledger.Facts().Hold != ledger.HoldRevisionsLost || done.Revisions != 0 {
				t.Fatalf("%+v", done)
			}
			if _, err := ledger.CopiedRevisions(b.dir, enginetest.OpenPlan(t, b.dir)); !errors.Is(err, ledger.ErrRevisions) {
				t.Errorf("the new copy passes for the whole: %v", err)
			}
			enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.RevisionsFolder)))
			log, err := ledger.Open(b.dir, enginetest.OpenPlan(t, b.dir)) // which makes it again
			enginetest.Must(t, err)
			enginetest.Must(t, log.Close())
			enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.LogFolder)))
			if done := b.recover(recovery.Recovery{}); done.Ledger.Facts().Hold != ledger.HoldRevisionsLost {
				t.Fatalf("the copy that was made again passes for the whole: %+v", done)
			}
		}
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		if err != nil || summary.Account.Fates[person.InDoubt] != 40 || summary.Held == 0 || len(s.requests) != before {
			t.Errorf("%d requests, %+v, %v", len(s.requests)-before, summary, err)
		}
	})
}

// What a survey finds is what there is, and what it is there to find is found.
func TestSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.refuseRows(3)
		b := newBench(t, enginetest.NewPeople(40, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		enginetest.Must(t, err)
		plan := enginetest.OpenPlan(t, b.dir)
		survey, err := inspect.Check(b.dir, plan)
		enginetest.Must(t, err)
		if survey.Requests != summary.Attempts || survey.Settled != summary.Attempts || survey.Revisions != 1 || survey.Copied != 1 || !survey.Closed ||
			survey.Forms != survey.Batches+1 || survey.First.IsZero() || survey.Last.Before(survey.First) || len(survey.Segments) != 1 {
			t.Errorf("%+v", survey)
		}
		entries := map[string]int{}
		_, err = ledger.ReadLog(b.dir, plan, journal.Tail{}, func(r journal.Record) error {
			e, err := inspect.ReadEntry(plan, r)
			entries[e.Record]++
			if e.String() == "" || e.At.IsZero() {
				t.Errorf("%+v", e)
			}
			return err
		})
		enginetest.Must(t, err)
		for _, k := range survey.Kinds {
			if entries[k.Record] != int(k.Count) || k.Bytes < int64(k.Count)*17 {
				t.Errorf("%+v, and %d were read", k, entries[k.Record])
			}
		}
		log, err := ledger.Open(b.dir, plan)
		enginetest.Must(t, err)
		enginetest.Must(t, log.Open(ledger.Start{At: time.Now()}))
		account := log.Ledger.Account()
		account.Fates[person.Accepted]++
		enginetest.Must(t, errors.Join(log.Finish(time.Now(), account), log.Close()))
		if _, err := inspect.Check(b.dir, plan); !ledger.IsDamage(err) || !strings.Contains(err.Error(), "0000000000000002.log, the record at byte") {
			t.Errorf("a run that ended with other fates than its records make: %v", err)
		}
	})
}
