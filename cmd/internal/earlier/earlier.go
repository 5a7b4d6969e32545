// Package earlier reads earlier runs. Runs of the same campaign prevent a second message to a
// person. Runs of other campaigns show who would get the same words again.
package earlier

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/disk"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/file"
)

// Runs are the runs that a new plan takes into account: the campaign's runs on the same service
// over other cohort files, and the runs of the campaigns that --rest-of names. This process
// holds their folders, so their state cannot change while the plan is made. A nil *Runs is empty.
type Runs struct {
	Runs      []*Run
	Everybody bool // exclude nobody

	Others iter.Seq2[person.NHSNumber, person.NHSNumber] // replaced numbers that runs not in Runs know; may be nil
}

// Run is one earlier run, open for reading.
type Run struct {
	Entry  register.Entry
	lock   *disk.Lock
	plan   *plan.Plan
	ledger *ledger.Ledger
	heard  *facts.Heard // the messages that a service spoke of; nil: of none
	older  bool         // the folder is an older copy, and does not know everybody that the run has reached
	Spool  *shard.Spool
	People func() iter.Seq2[shard.Exclusion, error] // the people reached
}

// Hold locks and opens earlier runs. An unreadable run refuses the start, unless sendAgain is set.
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
		if err == nil {
			e.Runs = append(e.Runs, run)
			continue
		}
		run.Release()
		if held := (*disk.HeldError)(nil); errors.As(err, &held) {
			return nil, refusal.New("earlier_run_at_work", "run", entry.RunID, "campaign", entry.Campaign, "folder", entry.Folder, "cause", held)
		}
		if !sendAgain {
			return nil, refusal.New("earlier_run_unreadable", "run", entry.RunID[:8], "campaign", entry.Campaign, "folder", entry.Folder, "host", entry.Host, "cause", err, "command", refusal.Command("resume"))
		}
	}
	return e, nil
}

// Hold locks and opens the run. older allows an older copy of its folder.
func (r *Run) Hold(older bool) (err error) {
	if _, err := os.Stat(r.Entry.Folder); err != nil {
		return err
	}
	if r.lock, err = disk.Acquire(filepath.Join(r.Entry.Folder, runfolder.LockFile), "send of another run"); err != nil {
		return err
	}
	return r.read(older)
}

// read opens the run for reading. A process may be at work on it.
func (r *Run) read(older bool) (err error) {
	if r.plan, err = plan.Open(r.Entry.Folder); err != nil {
		return err
	}
	if r.plan.RunID != r.Entry.RunID {
		return fmt.Errorf("the folder holds run %.8s", r.plan.RunID)
	}
	// An event is later than its attempt in the log. So it is read before the log.
	if facts.Any(r.Entry.Folder) {
		if r.heard, err = facts.Of(r.Entry.Folder, r.plan).Heard(); err != nil {
			return err
		}
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

// Closable refuses a new plan, which closes the earlier runs, while one of them has something to
// finish: messages in doubt that only it can settle, or messages that stand in none of its files.
// It does not wait for a plan that its service has forgotten. unsettled closes runs with messages in
// doubt all the same; their people are left out.
func (e *Runs) Closable(now time.Time, unsettled bool) error {
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
		if r.ledger.Facts().Superseded != "" {
			continue
		}
		if n := r.ledger.Settleable(); n > 0 && !unsettled && r.plan.Forgotten(now) == 0 {
			return refusal.New("earlier_run_in_doubt", "messages", n, "run", r.Entry.RunID, "command", refusal.Command("resume", r.Entry.Folder, "--settle"))
		}
		if err := r.joined(); err != nil {
			return err
		}
	}
	return nil
}

// Unsent returns a run, none of except, with people whom it has still to send to, and their number.
func (e *Runs) Unsent(except []register.Entry) (of register.Entry, people int64) {
	for _, r := range e.Runs {
		named := slices.ContainsFunc(except, func(e register.Entry) bool { return e.RunID == r.Entry.RunID })
		if n := r.ledger.Account().Fates[person.NotSent]; n > 0 && !named && r.ledger.Facts().Superseded == "" {
			return r.Entry, n
		}
	}
	return register.Entry{}, 0
}

// joined refuses a run with messages that stand in none of its files.
func (r *Run) joined() error {
	if !campaign.WritesFiles(r.plan.Service) {
		return nil
	}
	m, err := file.ReadManifest(filepath.Join(r.Entry.Folder, runfolder.FilesFolder))
	if err != nil {
		return refusal.New("earlier_files_unreadable", "run", r.Entry.RunID, "cause", err)
	}
	n := 0
	for f, err := range decision.Accepted(r.ledger) {
		if err != nil {
			return runfolder.Damaged(err)
		}
		if m == nil || !m.Whole || !m.Holds(f.Reference) {
			n += int(f.Messages)
		}
	}
	if n > 0 {
		return refusal.New("earlier_files_unfinished", "messages", n, "run", r.Entry.RunID, "command", refusal.Command("resume", r.Entry.Folder))
	}
	return nil
}

// latest refuses a folder that may be an older copy, because it may not know everybody that the
// run reached. A copy of a run that can send nothing more is complete.
func (r *Run) latest() error {
	fates := r.ledger.Account().Fates
	over := r.ledger.Facts().Superseded != "" || r.ledger.Facts().Closed && fates[person.Refused]+fates[person.InDoubt] == 0
	if over || r.ledger.Facts().Witness == nil { // older versions note no witness
		return nil
	}
	return AskLatest(r.Entry.Folder, r.ledger.ShowsLatest(r.Entry.Folder))
}

// AskLatest turns an error of Ledger.ShowsLatest into a refusal; nil stays nil.
func AskLatest(folder string, err error) error {
	if copied := (*ledger.CopyError)(nil); errors.As(err, &copied) {
		return register.NotLatest(folder, copied)
	}
	if err != nil {
		return runfolder.Unsound(folder, err)
	}
	return nil
}

// Named lists the runs for the plan.
func (e *Runs) Named() (named []plan.EarlierRun) {
	if e == nil {
		return nil
	}
	for _, r := range e.Runs {
		named = append(named, plan.EarlierRun{RunID: r.Entry.RunID, Folder: r.Entry.Folder})
	}
	return named
}

// Links yields pairs of NHS numbers that belong to one person.
type Links = iter.Seq2[person.NHSNumber, person.NHSNumber]

// Concat yields one sequence after another. A nil sequence is empty; so is the result if all are.
func Concat[A, B any](all ...iter.Seq2[A, B]) iter.Seq2[A, B] {
	all = slices.DeleteFunc(all, func(one iter.Seq2[A, B]) bool { return one == nil })
	if len(all) == 0 {
		return nil
	}
	return func(yield func(A, B) bool) {
		for _, one := range all {
			for a, b := range one {
				if !yield(a, b) {
					return
				}
			}
		}
	}
}

// links yields the pairs of the earlier runs' cohorts.
func (e *Runs) links() Links {
	all := []Links{e.Others}
	for _, r := range e.Runs {
		all = append(all, r.Spool.Superseded())
	}
	return Concat(all...)
}

// Replaced yields the replaced numbers in the earlier runs' cohorts; nil without earlier runs.
func (e *Runs) Replaced() Links {
	if e == nil || len(e.Runs) == 0 {
		return nil
	}
	return e.links()
}

// People yields everybody that an earlier run has reached or has in doubt, under every number
// that the person has or had; nil without earlier runs. cohort yields the replaced numbers of the
// new cohort, and is read when People is; it may be nil.
func (e *Runs) People(cohort Links) iter.Seq2[shard.Exclusion, error] {
	if e == nil || e.Everybody || len(e.Runs) == 0 {
		return nil
	}
	return func(yield func(shard.Exclusion, error) bool) {
		numbers, told := person.NewSets(Concat(cohort, e.links())), map[person.NHSNumber]bool{}
		for _, r := range e.Runs {
			for exclusion, err := range r.People() {
				if err != nil {
					yield(exclusion, fmt.Errorf("run %s in %s: %w", r.Entry.RunID[:8], r.Entry.Folder, err))
					return
				}
				all := numbers.Of(exclusion.Number)
				if len(all) > 1 { // so told holds only people with replaced numbers
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

// reached yields the people that the run has reached or has in doubt. It adds people that the run
// excluded because an earlier run had reached them.
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
			if r.heard.Of(record.Row) {
				reason = person.CodeAlreadySent // whatever the account says, and whatever the record is
			}
			if err == nil && reason != person.CodeAlreadySent && reason != person.CodeInDoubtBefore {
				continue
			}
			x := shard.Exclusion{Reason: reason}
			if err == nil {
				x.Number, err = person.ParseNHSNumber(record.Number)
				if err != nil && record.Fate == person.Invalid {
					continue // nobody has this number
				}
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// reachedBy returns why another run must not send to the person of a record; empty: it may.
func reachedBy(trail *outcome.Reader, record person.Record) (reason string, err error) {
	told, _, err := trail.At(record.Lane, record.Position)
	switch {
	case err != nil:
		return "", err
	case told.Fate == person.Accepted, told.Code == ledger.CodeContradicted:
		return person.CodeAlreadySent, nil
	case told.Fate == person.InDoubt, told.Unsure:
		return person.CodeInDoubtBefore, nil
	}
	return "", nil
}

// Supersede closes the earlier runs that might still send something. These include finished runs
// with refused messages, or messages in doubt at the NHS App: a person could send them again.
func (e *Runs) Supersede(by engine.RunID, folder string) error {
	if e == nil {
		return nil
	}
	for _, r := range e.Runs {
		live, _, foreign := r.ledger.Unsettled()
		fates := r.ledger.Account().Fates
		again := fates[person.Refused] // messages that a person might send again
		if r.plan.Kind() == engine.CanBeAsked {
			again += fates[person.InDoubt]
		}
		if r.ledger.Facts().Superseded != "" || live+foreign == 0 && again == 0 {
			continue
		}
		log, err := ledger.Open(r.Entry.Folder, r.plan)
		if err == nil {
			err = cmp.Or(log.Supersede(time.Now(), by, folder), log.Close())
		}
		if err != nil {
			return fmt.Errorf("run %s in %s cannot be closed in favour of this one: %w", r.Entry.RunID[:8], r.Entry.Folder, err)
		}
	}
	return nil
}
