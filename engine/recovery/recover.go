// Package recovery replaces a progress log that is lost or damaged.
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

// Recovery has what is known, from elsewhere, about a run that lost its log.
type Recovery struct {
	At       time.Time
	Attempts uint64 // requests that the run has made at least
	Key      string // fingerprint of the credential; empty: unknown
	Hold     string // the reason why nothing is replayed; empty: forms are replayed if the second copy is there
}

type RecoveredLog struct {
	Ledger    *ledger.Ledger
	Revisions int      // number of revisions from the second copy
	Aside     []string // paths of the folders that were put aside
}

// Recover replaces a progress log that is lost or damaged, and puts the old one aside. In the new log, every form may
// have been attempted: the planned forms, or the newer forms of the second copy in their place. A resumed run replays
// each form under its own reference, and the service says which it had. Without the second copy everything is held,
// because a form might be sent again beside the form that replaced it.
//
// The caller holds the folder's lock, and is sure that the log cannot be trusted: recovering a sound log loses the
// message ids. After a crash nothing is sent from the folder, and Recover may be called again.
func Recover(dir string, plan *plan.Plan, r Recovery) (RecoveredLog, error) {
	done, err := recoverLog(dir, plan, r)
	if err != nil {
		err = fmt.Errorf("recovery: %w", err)
	}
	return done, err
}

func recoverLog(dir string, plan *plan.Plan, r Recovery) (done RecoveredLog, err error) {
	revisions, hold, err := ledger.ReadCopy(dir, plan)
	first := &record.Recovered{
		Plan: plan.Digest, At: r.At, Since: plan.Created, Hold: r.Hold, Attempts: r.Attempts, Key: r.Key,
		Revisions: uint64(len(revisions)),
	}
	if err == nil {
		if hold != "" { // an earlier recovery found the copy lost, so it is incomplete
			first.Hold = hold
		}
		done.Ledger, err = Ledger(plan, first, revisions)
	}
	if ledger.IsDamage(err) || errors.Is(err, ledger.ErrNoCopy) {
		revisions, first.Hold, first.Revisions = nil, ledger.HoldRevisionsLost, 0
		if done.Ledger, err = Ledger(plan, first, nil); err == nil {
			err = replace(dir, plan, ledger.RevisionsFolder, ledger.NewCopyFolder, first, nil, &done)
		}
	}
	if err != nil {
		return done, err
	}
	done.Revisions = len(revisions)
	return done, replace(dir, plan, ledger.LogFolder, ledger.NewLogFolder, first, revisions, &done)
}

// Ledger returns the ledger of the log that a recovery writes.
func Ledger(plan *plan.Plan, first *record.Recovered, revisions []string) (*ledger.Ledger, error) {
	l, err := ledger.New(plan)
	if err == nil {
		err = l.Fold(first, journal.Position{})
	}
	for i := 0; err == nil && i < len(revisions); i++ {
		err = l.Apply(journal.Record{Seq: uint64(i + 2), Type: record.KindRevision, Payload: []byte(revisions[i])})
	}
	return l, err
}

// replace builds a log or a second copy in the folder fresh, puts the old folder aside, and gives fresh its name. It
// is built first: a copy without its first record would look complete.
func replace(
	dir string, plan *plan.Plan, folder, fresh string, first *record.Recovered, revisions []string, done *RecoveredLog,
) error {
	aside := ""
	if _, err := os.Lstat(filepath.Join(dir, folder)); err == nil {
		aside = ledger.AsideName(dir, folder, first.At)
	}
	if folder == ledger.LogFolder {
		first.Aside = aside
	}
	if err := build(filepath.Join(dir, fresh), plan, first, revisions); err != nil {
		return err
	}
	if aside != "" {
		if err := ledger.Rename(dir, folder, aside); err != nil {
			return err
		}
		done.Aside = append(done.Aside, filepath.Join(dir, aside))
	}
	return ledger.Rename(dir, fresh, folder)
}

// build writes the records of a recovery into a folder, durably.
func build(folder string, plan *plan.Plan, first *record.Recovered, revisions []string) (err error) {
	if err := os.RemoveAll(folder); err != nil { // of a recovery that was cut short
		return err
	}
	log, err := journal.Open(folder, plan.Run, journal.Options{Reserve: -1}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if err := log.Append(record.KindRecovered, record.Append(nil, first)); err != nil {
		return err
	}
	for _, r := range revisions {
		if err := log.Append(record.KindRevision, []byte(r)); err != nil {
			return err
		}
	}
	return log.Flush()
}

// Superseding reads a damaged log as far as possible. It returns the run that replaced this one, and its folder;
// empty when the log names none.
func Superseding(dir string, plan *plan.Plan) (by string) {
	for _, c := range controls(dir, plan) {
		if c.Verb == record.ControlSuperseded {
			by = c.Detail
		}
	}
	return by
}

// PausedBefore reads a damaged log as far as possible. It returns the person who paused the run, and the reason;
// empty when the run was not paused.
func PausedBefore(dir string, plan *plan.Plan) string { return ledger.PausedBy(controls(dir, plan)) }

func controls(dir string, plan *plan.Plan) (all []*record.Control) {
	_, _ = ledger.ReadLog(dir, plan, journal.Tail{}, func(r journal.Record) error {
		rec, err := record.Decode(r.Type, r.Payload)
		if c, ok := rec.(*record.Control); ok && err == nil {
			all = append(all, c)
		}
		return nil
	})
	return all
}
