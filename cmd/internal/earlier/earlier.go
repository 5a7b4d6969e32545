package earlier

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/engine"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// earlierRuns are the runs of the same campaign, on the same service, over other
// cohort files, and the runs of the campaigns that --rest-of names. This process holds their folders, so that none of them moves while
// their people are left out of a new plan. A nil *earlierRuns is none.
type Runs struct {
	Runs      []*Run
	Everybody bool // leave nobody out

	Others iter.Seq2[person.NHSNumber, person.NHSNumber] // what runs that are not among these say of replaced numbers; may be nil
}

type Run struct {
	Entry  register.Entry
	lock   *disk.Lock
	plan   *plan.Plan
	ledger *ledger.Ledger
	older  bool // the folder is an older copy, and does not know everybody that the run has reached
	Spool  *shard.Spool
	People func() iter.Seq2[shard.Exclusion, error] // reached
}

// holdEarlier takes hold of earlier runs. One that cannot be read refuses the start,
// unless people are to be sent to again anyway.
func Hold(entries []register.Entry, sendAgain bool) (_ *Runs, err error) {
	e := &Runs{Everybody: sendAgain}
	defer func() {
		if err != nil {
			e.Release()
		}
	}()
	for _, entry := range entries {
		run := &Run{Entry: entry}
		run.People = run.reached
		err := run.Hold(sendAgain)
		if err != nil {
			run.Release()
		}
		if held := (*disk.HeldError)(nil); errors.As(err, &held) {
			return nil, refusal.New("earlier_run_at_work", "run", entry.RunID, "campaign", entry.Campaign, "folder", entry.Folder, "cause", held)
		}
		if err != nil && sendAgain {
			continue
		}
		if err != nil {
			return nil, refusal.New("earlier_run_unreadable", "run", entry.RunID[:8], "campaign", entry.Campaign, "folder", entry.Folder, "host", entry.Host, "cause", err, "command", refusal.Command("resume"))
		}
		e.Runs = append(e.Runs, run)
	}
	return e, nil
}

// otherRunVerb is what a send does that holds the folder of another run.
const otherRunVerb = "send of another run"

// Hold locks the run's folder and reads the run. older allows an older copy of the folder.
func (r *Run) Hold(older bool) (err error) {
	if _, err := os.Stat(r.Entry.Folder); err != nil {
		return err
	}
	if r.lock, err = disk.Acquire(filepath.Join(r.Entry.Folder, runfolder.LockFile), otherRunVerb); err != nil {
		return err
	}
	return r.read(older)
}

// read opens the run for reading, also while a process is at work on it.
func (r *Run) read(older bool) (err error) {
	if r.plan, err = plan.Open(r.Entry.Folder); err != nil {
		return err
	}
	if r.plan.RunID != r.Entry.RunID {
		return fmt.Errorf("the folder holds run %.8s", r.plan.RunID)
	}
	if r.ledger, err = ledger.Read(r.Entry.Folder, r.plan); err != nil {
		return err
	}
	if err := register.Believe(r.Entry, register.FactsOf(r.ledger)); err != nil && !older {
		return err
	} else if err != nil {
		r.older = true
	}
	r.Spool, err = cohortspool.Open(filepath.Join(r.Entry.Folder, runfolder.SpoolFolder), r.plan)
	return err
}

func (e *Runs) Release() {
	if e == nil {
		return
	}
	for _, r := range e.Runs {
		r.Release()
	}
	e.Runs = nil
}

func (r *Run) Release() {
	if r.Spool != nil {
		_ = r.Spool.Close()
	}
	if r.plan != nil {
		_ = r.plan.Close()
	}
	if r.lock != nil {
		_ = r.lock.Release()
	}
	*r = Run{Entry: r.Entry}
}

// Settled refuses while an earlier run that will be closed has messages in doubt that it alone can
// settle. Closed, it would leave their people without an answer for good. A plan that its service
// has forgotten settles nothing. unsettled allows it all the same; the people are left out.
func (e *Runs) Settled(now time.Time, unsettled bool) error {
	if e == nil || e.Everybody {
		return nil
	}
	for _, r := range e.Runs {
		if r.older { // a person has said to send again all the same
			continue
		}
		if err := r.latest(); err != nil {
			return err
		}
		if n := r.ledger.Settleable(); n > 0 && r.ledger.Superseded == "" && !unsettled && r.plan.Forgotten(now) == 0 {
			return refusal.New("earlier_run_in_doubt", "messages", n, "run", r.Entry.RunID, "command", refusal.Command("resume", r.Entry.Folder, "--settle"))
		}
	}
	return nil
}

// latest refuses to leave out the people of a folder that may be an older copy: it does not know
// all of them. A run from which nothing more can be sent knows them whichever copy it is.
func (r *Run) latest() error {
	fates := r.ledger.Account().Fates
	over := r.ledger.Superseded != "" || r.ledger.Closed && fates[person.Refused]+fates[person.InDoubt] == 0
	if over || r.ledger.Witness == nil { // an older version's, which notes none
		return nil
	}
	return AskLatest(r.Entry.Folder, r.ledger.ShowsLatest(r.Entry.Folder))
}

// named lists the runs for the plan.
func (e *Runs) Named() []plan.EarlierRun {
	var named []plan.EarlierRun
	if e != nil {
		for _, r := range e.Runs {
			named = append(named, plan.EarlierRun{RunID: r.Entry.RunID, Folder: r.Entry.Folder})
		}
	}
	return named
}

// links yields every pair of numbers that belong to one person, as the earlier runs' cohorts
// and the new one say. said is what the new one says; nil: nothing.
func (e *Runs) links(said iter.Seq2[person.NHSNumber, person.NHSNumber]) iter.Seq2[person.NHSNumber, person.NHSNumber] {
	return func(yield func(a, b person.NHSNumber) bool) {
		all := []iter.Seq2[person.NHSNumber, person.NHSNumber]{said, e.Others}
		for _, r := range e.Runs {
			all = append(all, r.Spool.Superseded())
		}
		for _, links := range all {
			if links == nil {
				continue
			}
			for a, b := range links {
				if !yield(a, b) {
					return
				}
			}
		}
	}
}

// replaced yields what the earlier runs' cohorts say of replaced numbers; nil where there are none.
func (e *Runs) Replaced() iter.Seq2[person.NHSNumber, person.NHSNumber] {
	if e == nil || len(e.Runs) == 0 {
		return nil
	}
	return e.links(nil)
}

// people yields everybody whom an earlier run has reached or has in doubt, under every number
// that the person has or had. said yields what the new cohort says of replaced numbers; it is
// asked when people is. May be nil.
func (e *Runs) People(said iter.Seq2[person.NHSNumber, person.NHSNumber]) iter.Seq2[shard.Exclusion, error] {
	if e == nil || e.Everybody {
		return nil
	}
	return func(yield func(shard.Exclusion, error) bool) {
		numbers, told := person.NewSets(e.links(said)), map[person.NHSNumber]bool{}
		for _, r := range e.Runs {
			for exclusion, err := range r.People() {
				if err != nil {
					yield(exclusion, fmt.Errorf("run %s in %s: %w", r.Entry.RunID[:8], r.Entry.Folder, err))
					return
				}
				all := numbers.Of(exclusion.Number)
				if len(all) > 1 { // so that told grows with the replaced numbers alone
					if told[all[0]] {
						continue
					}
					told[all[0]] = true
				}
				for _, exclusion.Number = range all {
					if !yield(exclusion, nil) {
						return
					}
				}
			}
		}
	}
}

// reached yields those whom the run has reached or has in doubt, and those whom it left out
// because an earlier run had.
func (r *Run) reached() iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		trail, err := outcome.Open(r.Entry.Folder, r.plan, r.ledger)
		if err != nil {
			yield(shard.Exclusion{}, err)
			return
		}
		defer func() { _ = trail.Close() }()
		for record, err := range r.Spool.Records() {
			reason := record.Code
			if err == nil && record.Fate == "" {
				reason, err = reachedBy(trail, record)
			}
			if err == nil && reason != person.CodeAlreadySent && reason != person.CodeInDoubtBefore {
				continue
			}
			x := shard.Exclusion{Reason: reason}
			if err == nil {
				x.Number, err = person.ParseNHSNumber(record.Number)
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// reachedBy says why another run must not send to the person of a record; empty: it may.
func reachedBy(trail *outcome.Reader, record person.Record) (reason string, err error) {
	told, _, err := trail.At(record.Lane, record.Position)
	switch {
	case err != nil:
		return "", err
	case told.Fate == person.Accepted:
		return person.CodeAlreadySent, nil
	case told.Fate == person.InDoubt, told.Unsure:
		return person.CodeInDoubtBefore, nil
	}
	return "", nil
}

// Supersede closes the earlier runs that might still send something. A finished run is closed too
// if a person could have messages of it sent again: refused ones, or those in doubt at the NHS App.
func (e *Runs) Supersede(by engine.RunID, folder string) error {
	if e == nil {
		return nil
	}
	for _, r := range e.Runs {
		live, _, foreign := r.ledger.Unsettled()
		fates := r.ledger.Account().Fates
		again := fates[person.Refused] // what a person might have sent again
		if r.plan.NeverAgain {
			again += fates[person.InDoubt]
		}
		if r.ledger.Superseded != "" || live+foreign == 0 && again == 0 {
			continue
		}
		log, err := ledger.Open(r.Entry.Folder, r.plan)
		if err == nil {
			err = log.Supersede(time.Now(), by, folder)
			if e := log.Close(); err == nil {
				err = e
			}
		}
		if err != nil {
			return fmt.Errorf("run %s in %s cannot be closed in favour of this one: %w", r.Entry.RunID[:8], r.Entry.Folder, err)
		}
	}
	return nil
}
