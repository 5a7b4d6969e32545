package recovery

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// A damaged log still names the run that replaced this one.
func TestADamagedLogNamesTheRunThatReplacedIt(t *testing.T) {
	dir := t.TempDir()
	plan := enginetest.SealPlan(t, dir, enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	log, err := ledger.Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(ledger.Start{}))
	enginetest.Must(t, log.Supersede(time.Now(), enginetest.TestRun, "/elsewhere"))
	enginetest.Must(t, log.Open(ledger.Start{}))
	enginetest.Must(t, log.Open(ledger.Start{}))
	enginetest.Must(t, log.Close())
	all, err := filepath.Glob(filepath.Join(dir, ledger.LogFolder, "*.log"))
	enginetest.Must(t, err)
	name := all[0]
	raw, err := os.ReadFile(name)
	enginetest.Must(t, err)
	raw[len(raw)-100] ^= 1 // in the last start but one, so that a valid record follows
	enginetest.Must(t, os.WriteFile(name, raw, 0o600))
	if _, err := ledger.Read(dir, plan); !ledger.IsDamage(err) {
		t.Fatal(err)
	}
	if by := Superseding(dir, plan); by != enginetest.TestRun.Short()+" in /elsewhere" {
		t.Errorf("%q", by)
	}
}

// In a recovered log every form may have been attempted. The damaged log is put aside under a name of its own.
func TestARecoveredLogIsInDoubt(t *testing.T) {
	dir := t.TempDir()
	plan := enginetest.SealPlan(t, dir, enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	log, err := ledger.Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(ledger.Start{}))
	enginetest.Must(t, log.Command(time.Now(), ledger.Command{Verb: record.VerbPause, By: "ann", Reason: "a wrong text"}))
	enginetest.Must(t, log.Close())
	if words := PausedBefore(dir, plan); words != "by ann: a wrong text" {
		t.Errorf("the run was paused %q", words)
	}
	for _, lost := range []bool{false, true} {
		if lost {
			enginetest.Must(t, os.RemoveAll(filepath.Join(dir, ledger.RevisionsFolder)))
		}
		done, err := Recover(dir, plan, Recovery{At: time.UnixMilli(1_795_000_000_000), Attempts: 7})
		enginetest.Must(t, err)
		if len(done.Aside) != 1 || done.Revisions != 0 {
			t.Errorf("%+v", done)
		}
		l, err := ledger.Read(dir, plan)
		enginetest.Must(t, err)
		if f := l.Facts(); f.Attempts != 7 || (f.Hold == ledger.HoldRevisionsLost) != lost {
			t.Errorf("%d attempts, and the hold is %q", f.Attempts, f.Hold)
		}
		if n := l.Account().Fates[person.InDoubt]; n != 6 {
			t.Errorf("%d messages are in doubt", n)
		}
		if live, held, _ := l.Unsettled(); lost && live > 0 || !lost && held > 0 {
			t.Errorf("the second copy is lost: %v. %d forms are replayed and %d are held", lost, live, held)
		}
	}
}
