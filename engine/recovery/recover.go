package recovery

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Recovery is what is known, from elsewhere than its log, of a run whose log is lost.
type Recovery struct {
	At       time.Time
	Attempts uint64 // requests that it made at least
	Key      string // fingerprint of the credential under which the service remembers its references; empty: not known
	Hold     string // why nothing may be replayed; empty: it may, if the second copy of the revisions is there
}

// RecoveredLog is what Recover did.
type RecoveredLog struct {
	Ledger    *ledger.Ledger
	Revisions int      // that were taken from the second copy
	Aside     []string // the folders that were put aside, under their new names
}

// Recover puts a new progress log in the place of one that is lost or damaged, which is
// put aside under another name. In the new log every form may have been attempted: the
// planned ones, and where the second copy of the revisions has newer ones, those instead.
// A resumed run replays each under its own reference, and the service says which it had.
// Without the second copy nothing may be replayed, and everything is held: a form might
// be sent again beside the one that replaced it.
//
// The caller holds the folder's lock, and is sure that the log is not to be trusted: of
// one that is sound the ids would be lost from the report. A crash at any moment leaves a
// folder that nothing is sent from, and in which Recover may be called again.
func Recover(dir string, plan *plan.Plan, r Recovery) (RecoveredLog, error) {
	var done RecoveredLog
	fail := func(err error) (RecoveredLog, error) { return done, fmt.Errorf("recovery: %w", err) }
	stamp := ledger.StampOf(r.At)
	revisions, marked, err := ledger.ReadCopy(dir, plan)
	first := &record.Recovered{Plan: plan.Digest, At: r.At, Since: plan.Created, Hold: r.Hold, Attempts: r.Attempts, Key: r.Key, Revisions: uint64(len(revisions))}
	if err == nil {
		if marked != "" { // an earlier recovery found it lost: what came since is not the whole of it
			first.Hold = marked
		}
		done.Ledger, err = RecoveredLedger(plan, first, revisions)
	}
	switch {
	case ledger.IsDamage(err) || errors.Is(err, ledger.ErrNoCopy):
		revisions, first.Hold, first.Revisions = nil, ledger.HoldRevisionsLost, 0
		if done.Ledger, err = RecoveredLedger(plan, first, nil); err != nil {
			return fail(err)
		}
		if err := renewCopy(dir, plan, first, stamp, &done); err != nil {
			return fail(err)
		}
	case err != nil:
		return fail(err)
	}
	done.Revisions = len(revisions)
	aside := ""
	if _, err := os.Lstat(filepath.Join(dir, ledger.LogFolder)); err == nil {
		aside = ledger.FreeName(dir, ledger.LogFolder+".lost-"+stamp)
		first.Aside = aside
	}
	if err := buildLog(filepath.Join(dir, ledger.NewLogFolder), plan, first, revisions); err != nil {
		return fail(err)
	}
	if aside != "" {
		if err := ledger.Rename(dir, ledger.LogFolder, aside); err != nil {
			return fail(err)
		}
		done.Aside = append(done.Aside, filepath.Join(dir, aside))
	}
	if err := ledger.Rename(dir, ledger.NewLogFolder, ledger.LogFolder); err != nil {
		return fail(err)
	}
	return done, nil
}

// recoveredLedger is the ledger of the log that a recovery writes.
func RecoveredLedger(plan *plan.Plan, first *record.Recovered, revisions []string) (*ledger.Ledger, error) {
	l, err := ledger.New(plan)
	if err == nil {
		err = l.Fold(first, journal.Position{})
	}
	for i := 0; err == nil && i < len(revisions); i++ {
		err = l.Apply(journal.Record{Seq: uint64(i + 2), Type: record.KindRevision, Payload: []byte(revisions[i])})
	}
	return l, err
}

// buildLog writes the log of a recovery into a folder of its own, durably.
func buildLog(folder string, plan *plan.Plan, first *record.Recovered, revisions []string) (err error) {
	if err := os.RemoveAll(folder); err != nil { // of a recovery that was cut short
		return err
	}
	log, err := journal.Open(folder, plan.Run, journal.Options{Reserve: -1}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var e record.Encoder
	first.Encode(&e)
	if err := log.Append(record.KindRecovered, e.B); err != nil {
		return err
	}
	for _, r := range revisions {
		if err := log.Append(record.KindRevision, []byte(r)); err != nil {
			return err
		}
	}
	return log.Flush()
}

// renewCopy puts the second copy of the revisions aside, where there is anything of it,
// and begins another, which says that it is not the whole.
func renewCopy(dir string, plan *plan.Plan, first *record.Recovered, stamp string, done *RecoveredLog) error {
	// Built before it has its name: a copy without its note would pass for the whole.
	if err := buildLog(filepath.Join(dir, ledger.NewCopyFolder), plan, first, nil); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, ledger.RevisionsFolder)); err == nil {
		aside := ledger.FreeName(dir, ledger.RevisionsFolder+".lost-"+stamp)
		if err := ledger.Rename(dir, ledger.RevisionsFolder, aside); err != nil {
			return err
		}
		done.Aside = append(done.Aside, filepath.Join(dir, aside))
	}
	return ledger.Rename(dir, ledger.NewCopyFolder, ledger.RevisionsFolder)
}

// Superseding reads what can be read of a log that is damaged, and returns the run that
// took this one's place, and its folder, if that was written down there.
func Superseding(dir string, plan *plan.Plan) (by string) {
	_, _ = journal.Read(filepath.Join(dir, ledger.LogFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
		rec, err := record.Decode(r.Type, r.Payload)
		if c, ok := rec.(*record.Control); ok && err == nil && c.Verb == record.ControlSuperseded {
			by = c.Detail
		}
		return nil
	})
	return by
}

// PausedBefore reads what can be read of a log that is damaged, and returns who had paused
// the run and why, if that is the last thing that was written down there about it.
func PausedBefore(dir string, plan *plan.Plan) (words string) {
	l := &ledger.Ledger{}
	_, _ = journal.Read(filepath.Join(dir, ledger.LogFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
		rec, err := record.Decode(r.Type, r.Payload)
		if c, ok := rec.(*record.Control); ok && err == nil {
			switch record.Verb(c.Verb) {
			case record.VerbPause, record.VerbContinue, record.VerbReason:
				_, _ = l.FoldCommand(c)
			}
		}
		return nil
	})
	return l.Paused
}
