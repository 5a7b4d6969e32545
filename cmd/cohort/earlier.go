package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"cohort/engine"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest/person"
	"cohort/shard"
)

// earlierRuns are the runs of the same campaign, on the same service, over other
// cohort files, and the runs of the campaigns that --rest-of names. This process holds their folders, so that none of them moves while
// their people are left out of a new plan. A nil *earlierRuns is none.
type earlierRuns struct {
	runs      []*earlierRun
	everybody bool // leave nobody out

	others iter.Seq2[person.NHSNumber, person.NHSNumber] // what runs that are not among these say of replaced numbers; may be nil
}

type earlierRun struct {
	entry  register.Entry
	lock   *disk.Lock
	plan   *plan.Plan
	ledger *ledger.Ledger
	spool  *shard.Spool
	people func() iter.Seq2[shard.Exclusion, error] // reached
}

// holdEarlier takes hold of earlier runs. One that cannot be read refuses the start,
// unless people are to be sent to again anyway.
func holdEarlier(entries []register.Entry, sendAgain bool) (_ *earlierRuns, err error) {
	e := &earlierRuns{everybody: sendAgain}
	defer func() {
		if err != nil {
			e.release()
		}
	}()
	for _, entry := range entries {
		run := &earlierRun{entry: entry}
		run.people = run.reached
		err := run.hold()
		if err != nil {
			run.release()
		}
		if held := (*disk.HeldError)(nil); errors.As(err, &held) {
			return nil, refuse("run %.8s of campaign %s in %s is at work: %w, and then start this one", entry.RunID, entry.Campaign, entry.Folder, held)
		}
		if err != nil && sendAgain {
			continue
		}
		if err != nil {
			return nil, refuse("run %s of campaign %s in %s, begun on %s, cannot be read, so nobody can say whom it has sent to: %w; if it was moved: %s <where it is now>; if it is lost, --send-again and a reason sends to its people again",
				entry.RunID[:8], entry.Campaign, entry.Folder, entry.Host, err, command("resume"))
		}
		e.runs = append(e.runs, run)
	}
	return e, nil
}

// otherRunVerb is what a send does that holds the folder of another run.
const otherRunVerb = "send of another run"

func (r *earlierRun) hold() (err error) {
	if _, err := os.Stat(r.entry.Folder); err != nil {
		return err
	}
	if r.lock, err = disk.Acquire(filepath.Join(r.entry.Folder, lockFile), otherRunVerb); err != nil {
		return err
	}
	return r.read()
}

// read opens the run for reading, also while a process is at work on it.
func (r *earlierRun) read() (err error) {
	if r.plan, err = plan.Open(r.entry.Folder); err != nil {
		return err
	}
	if r.plan.RunID != r.entry.RunID {
		return fmt.Errorf("the folder holds run %.8s", r.plan.RunID)
	}
	if r.ledger, err = ledger.Read(r.entry.Folder, r.plan); err != nil {
		return err
	}
	if err := believe(r.entry, factsOf(r.ledger)); err != nil {
		return err
	}
	r.spool, err = openSpool(filepath.Join(r.entry.Folder, spoolFolder), r.plan)
	return err
}

func (e *earlierRuns) release() {
	if e == nil {
		return
	}
	for _, r := range e.runs {
		r.release()
	}
	e.runs = nil
}

func (r *earlierRun) release() {
	if r.spool != nil {
		_ = r.spool.Close()
	}
	if r.plan != nil {
		_ = r.plan.Close()
	}
	if r.lock != nil {
		_ = r.lock.Release()
	}
	*r = earlierRun{entry: r.entry}
}

// settled refuses while an earlier run that will be closed has messages in doubt that it
// alone can settle. Closed, it would leave their people without an answer for good.
func (e *earlierRuns) settled() error {
	if e == nil || e.everybody {
		return nil
	}
	for _, r := range e.runs {
		if err := r.latest(); err != nil {
			return err
		}
		if n := r.ledger.Settleable(); n > 0 && r.ledger.Facts().Superseded == "" {
			return refuse("%d messages of run %.8s are in doubt, and only that run can settle them before this one takes its place: %s",
				n, r.entry.RunID, command("resume", r.entry.Folder, "--settle"))
		}
	}
	return nil
}

// latest refuses to leave out the people of a folder that may be an older copy: it does not know
// all of them. A run from which nothing more can be sent knows them whichever copy it is.
func (r *earlierRun) latest() error {
	fates := r.ledger.Account().Fates
	over := r.ledger.Facts().Superseded != "" || r.ledger.Facts().Closed && fates[person.Refused]+fates[person.InDoubt] == 0
	if over || r.ledger.Facts().Witness == nil { // an older version's, which notes none
		return nil
	}
	return askLatest(r.entry.Folder, r.ledger.ShowsLatest(r.entry.Folder))
}

// named lists the runs for the plan.
func (e *earlierRuns) named() []plan.EarlierRun {
	var named []plan.EarlierRun
	if e != nil {
		for _, r := range e.runs {
			named = append(named, plan.EarlierRun{RunID: r.entry.RunID, Folder: r.entry.Folder})
		}
	}
	return named
}

// links yields every pair of numbers that belong to one person, as the earlier runs' cohorts
// and the new one say. said is what the new one says; nil: nothing.
func (e *earlierRuns) links(said iter.Seq2[person.NHSNumber, person.NHSNumber]) iter.Seq2[person.NHSNumber, person.NHSNumber] {
	return func(yield func(a, b person.NHSNumber) bool) {
		all := []iter.Seq2[person.NHSNumber, person.NHSNumber]{said, e.others}
		for _, r := range e.runs {
			all = append(all, r.spool.Superseded())
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
func (e *earlierRuns) replaced() iter.Seq2[person.NHSNumber, person.NHSNumber] {
	if e == nil || len(e.runs) == 0 {
		return nil
	}
	return e.links(nil)
}

// people yields everybody whom an earlier run has reached or has in doubt, under every number
// that the person has or had. said yields what the new cohort says of replaced numbers; it is
// asked when people is. May be nil.
func (e *earlierRuns) people(said iter.Seq2[person.NHSNumber, person.NHSNumber]) iter.Seq2[shard.Exclusion, error] {
	if e == nil || e.everybody {
		return nil
	}
	return func(yield func(shard.Exclusion, error) bool) {
		numbers, told := person.NewSets(e.links(said)), map[person.NHSNumber]bool{}
		for _, r := range e.runs {
			for exclusion, err := range r.people() {
				if err != nil {
					yield(exclusion, fmt.Errorf("run %s in %s: %w", r.entry.RunID[:8], r.entry.Folder, err))
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
func (r *earlierRun) reached() iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		trail, err := outcome.Open(r.entry.Folder, r.plan, r.ledger)
		if err != nil {
			yield(shard.Exclusion{}, err)
			return
		}
		defer func() { _ = trail.Close() }()
		for record, err := range r.spool.Records() {
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

// supersede closes the earlier runs that might still send something: a finished one too, if
// messages of it were refused, or are in doubt at the NHS App, since a person could have these
// sent again (cohort retry, reconcile --resend-in-doubt).
func (e *earlierRuns) supersede(by engine.RunID, folder string) error {
	if e == nil {
		return nil
	}
	for _, r := range e.runs {
		live, _, foreign := r.ledger.Unsettled()
		fates := r.ledger.Account().Fates
		again := fates[person.Refused] // what a person might have sent again
		if r.plan.Kind() == engine.CanBeAsked {
			again += fates[person.InDoubt]
		}
		if r.ledger.Facts().Superseded != "" || live+foreign == 0 && again == 0 {
			continue
		}
		log, err := ledger.Open(r.entry.Folder, r.plan)
		if err == nil {
			err = log.Supersede(time.Now(), by, folder)
			if e := log.Close(); err == nil {
				err = e
			}
		}
		if err != nil {
			return fmt.Errorf("run %s in %s cannot be closed in favour of this one: %w", r.entry.RunID[:8], r.entry.Folder, err)
		}
	}
	return nil
}
