package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cohort/engine/disk"
	"cohort/engine/journal"
)

// Where a log, and a second copy of the revisions, are built that take the place of lost
// ones. What is there while the others are there too is litter.
const (
	newLogFolder  = "log.new"
	newCopyFolder = "revisions.new"
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
	Ledger    *Ledger
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
func Recover(dir string, plan *Plan, r Recovery) (RecoveredLog, error) {
	var done RecoveredLog
	fail := func(err error) (RecoveredLog, error) { return done, fmt.Errorf("recovery: %w", err) }
	stamp := stampOf(r.At)
	revisions, marked, err := readCopy(dir, plan)
	first := &recovered{Plan: plan.Digest, At: r.At, Since: plan.Created, Hold: r.Hold, Attempts: r.Attempts, Key: r.Key, Revisions: uint64(len(revisions))}
	if err == nil {
		if marked != "" { // an earlier recovery found it lost: what came since is not the whole of it
			first.Hold = marked
		}
		done.Ledger, err = recoveredLedger(plan, first, revisions)
	}
	switch {
	case IsDamage(err) || errors.Is(err, errNoCopy):
		revisions, first.Hold, first.Revisions = nil, HoldRevisionsLost, 0
		if done.Ledger, err = recoveredLedger(plan, first, nil); err != nil {
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
	if _, err := os.Lstat(filepath.Join(dir, logFolder)); err == nil {
		aside = freeName(dir, logFolder+".lost-"+stamp)
		first.Aside = aside
	}
	if err := buildLog(filepath.Join(dir, newLogFolder), plan, first, revisions); err != nil {
		return fail(err)
	}
	if aside != "" {
		if err := rename(dir, logFolder, aside); err != nil {
			return fail(err)
		}
		done.Aside = append(done.Aside, filepath.Join(dir, aside))
	}
	if err := rename(dir, newLogFolder, logFolder); err != nil {
		return fail(err)
	}
	return done, nil
}

// recoveredLedger is the ledger of the log that a recovery writes.
func recoveredLedger(plan *Plan, first *recovered, revisions []string) (*Ledger, error) {
	l, err := NewLedger(plan)
	if err == nil {
		err = l.apply(first, journal.Position{})
	}
	for i := 0; err == nil && i < len(revisions); i++ {
		err = l.Apply(journal.Record{Seq: uint64(i + 2), Type: recordRevision, Payload: []byte(revisions[i])})
	}
	return l, err
}

// buildLog writes the log of a recovery into a folder of its own, durably.
func buildLog(folder string, plan *Plan, first *recovered, revisions []string) (err error) {
	if err := os.RemoveAll(folder); err != nil { // of a recovery that was cut short
		return err
	}
	log, err := journal.Open(folder, plan.Run, journal.Options{Reserve: -1}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var e encoder
	first.encode(&e)
	if err := log.Append(recordRecovered, e.b); err != nil {
		return err
	}
	for _, r := range revisions {
		if err := log.Append(recordRevision, []byte(r)); err != nil {
			return err
		}
	}
	return log.Flush()
}

// renewCopy puts the second copy of the revisions aside, where there is anything of it,
// and begins another, which says that it is not the whole.
func renewCopy(dir string, plan *Plan, first *recovered, stamp string, done *RecoveredLog) error {
	// Built before it has its name: a copy without its note would pass for the whole.
	if err := buildLog(filepath.Join(dir, newCopyFolder), plan, first, nil); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, revisionsFolder)); err == nil {
		aside := freeName(dir, revisionsFolder+".lost-"+stamp)
		if err := rename(dir, revisionsFolder, aside); err != nil {
			return err
		}
		done.Aside = append(done.Aside, filepath.Join(dir, aside))
	}
	return rename(dir, newCopyFolder, revisionsFolder)
}

// freeName is a name that nothing in a folder has yet.
func freeName(dir, name string) string {
	free := name
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(dir, free)); errors.Is(err, fs.ErrNotExist) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, i)
	}
}

func rename(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return err
	}
	return disk.SyncFolder(dir)
}

func stampOf(at time.Time) string { return at.UTC().Format("20060102T150405Z") }

// IsDamage reports whether an error of ReadLedger, OpenProgressLog or TakeSurvey means
// that the log or the second copy of the revisions is damaged or lost, so that Recover may put
// another in its place; and not that it could not be read, or by another program alone.
func IsDamage(err error) bool {
	damage := (*journal.CorruptError)(nil)
	return errors.As(err, &damage) || errors.Is(err, ErrIllegal) || errors.Is(err, errShort) || errors.Is(err, ErrLost)
}

// Superseding reads what can be read of a log that is damaged, and returns the run that
// took this one's place, and its folder, if that was written down there.
func Superseding(dir string, plan *Plan) (by string) {
	_, _ = journal.Read(filepath.Join(dir, logFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
		record, err := decodeRecord(r.Type, r.Payload)
		if c, ok := record.(*control); ok && err == nil && c.Verb == controlSuperseded {
			by = c.Detail
		}
		return nil
	})
	return by
}

// PausedBefore reads what can be read of a log that is damaged, and returns who had paused
// the run and why, if that is the last thing that was written down there about it.
func PausedBefore(dir string, plan *Plan) (words string) {
	l := &Ledger{}
	_, _ = journal.Read(filepath.Join(dir, logFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
		record, err := decodeRecord(r.Type, r.Payload)
		if c, ok := record.(*control); ok && err == nil {
			switch LeverVerb(c.Verb) {
			case LeverPause, LeverContinue, LeverReason:
				_, _ = l.lever(c)
			}
		}
		return nil
	})
	return l.Paused
}

// ErrLost says that there is no log, and that there was one.
var ErrLost = errors.New("the run was begun and its progress log is missing or empty")

// lostLog says whether a log is missing that was there: the second copy of the revisions
// is begun after it, and a recovery that was cut short has put it aside.
func lostLog(dir string, plan *Plan) error {
	begun := func(folder string) bool {
		segments, err := journal.Segments(filepath.Join(dir, folder), plan.Run, journal.Options{})
		return err != nil || len(segments) > 0 // what is wrong with it shows when it is read
	}
	if begun(logFolder) || !begun(newLogFolder) && !begun(revisionsFolder) {
		return nil
	}
	return ErrLost
}
