package repair

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/campaign"
	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/recovery"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// Recovery puts a new log in the place of one that is lost or damaged.
//
//	hold the folder ─▶ ask the register ─▶ read the log ─▶ sound: show what waits for a person
//	                                                    └▶ lost:  put aside, begin anew
type Recovery struct {
	OneApplication bool // a person says that every API key of the run belongs to one application
	Network        bool // the folder may be on a network filesystem
	Clock          func() time.Time
	Out            io.Writer
	Log            *slog.Logger

	dir      string
	plan     *plan.Plan
	simulate bool
	files    bool // it writes files, and writing one again is not sending twice
	entry    register.Entry
	known    bool // the register has the entry
}

// Run recovers the run in a folder. It changes nothing in a sound log.
func (r *Recovery) Run(path string) (err error) {
	var called runfolder.Call
	if r.dir, called, err = runfolder.Find(path); err != nil {
		return err
	}
	r.plan, err = plan.Open(r.dir)
	if errors.Is(err, plan.ErrNone) && runfolder.Exists(filepath.Join(r.dir, "log")) {
		return refusal.New("plan_lost", "folder", r.dir)
	}
	if errors.Is(err, plan.ErrNone) {
		return refusal.New("plan_missing", "folder", r.dir, "command", refusal.Command("resume", r.dir))
	}
	if err != nil {
		return runfolder.Damaged(err)
	}
	defer func() { _ = r.plan.Close() }()
	if err := r.plan.Verify(); err != nil {
		return runfolder.Damaged(err)
	}
	c, _, _, err := runfolder.ReadCampaign(r.dir, called)
	if err != nil {
		return err
	}
	r.simulate, r.files = r.plan.Service == c.ServiceID(true), c.File != nil
	folder, err := runfolder.Hold(r.dir, "recover", r.Network, r.Log)
	if err != nil {
		return err
	}
	defer folder.Release()
	if err := r.ask(c); err != nil {
		return err
	}
	return r.look()
}

// ask reads the run's entry in the register. It refuses a copy of the folder and a superseded run.
func (r *Recovery) ask(c *campaign.Campaign) error {
	reg, err := run.OpenRegister(c)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	r.entry, r.known = reg.Run(r.plan.RunID)
	if !r.known {
		return nil
	}
	if r.entry.State == register.Superseded {
		return refusal.New("superseded_in_register", "note", r.entry.Note)
	}
	if call, err := runfolder.ReadCall(r.entry.Folder); !runfolder.Same(r.entry.Folder, r.dir) && err == nil && call.RunID == r.plan.RunID {
		return refusal.New("folder_is_copy", "folder", r.entry.Folder, "copy", r.dir, "command", refusal.Command("recover", r.entry.Folder))
	}
	return nil
}

// look reads the log. It shows the open decisions of a sound log, and recovers a lost one.
func (r *Recovery) look() error {
	survey, err := inspect.Check(r.dir, r.plan)
	if errors.Is(err, ledger.ErrRevisions) {
		if ledger, e := ledger.Read(r.dir, r.plan); e == nil && r.distrust(ledger) == nil {
			return r.renew(err)
		}
	}
	switch {
	case ledger.IsDamage(err):
	case errors.As(err, new(*plan.ChangedError)):
		return runfolder.Unsound(r.dir, err)
	case err != nil:
		return refusal.New("log_unreadable_here", "cause", err, "folder", r.dir)
	case survey.Ledger.Facts().Starts == 0 && survey.Ledger.Facts().Recovered.IsZero() && survey.Copied == 0 && !r.known:
		return refusal.New("never_sent", "command", refusal.Command("resume", r.dir))
	default:
		if err = r.distrust(survey.Ledger); err == nil {
			fmt.Fprintf(r.Out, "the log of %s is sound: nothing was changed\n", r.dir)
			return (&waiting{r.Out, r.dir, r.plan, survey.Ledger}).show(r.Clock())
		}
	}
	return r.recover(err)
}

// distrust returns an error if a readable log lacks some of the run's work.
func (r *Recovery) distrust(ledger *ledger.Ledger) error {
	f := register.FactsOf(ledger)
	f.Foreign = 0
	switch {
	case f.Starts == 0 && !f.Recovered:
		return refusal.New("log_missing")
	case r.known:
		return register.Believe(r.entry, f)
	}
	return nil
}

// renew puts a damaged second copy of the revisions aside. The log has them all.
func (r *Recovery) renew(why error) error {
	aside, err := ledger.RenewRevisions(r.dir, time.Now())
	if err != nil {
		return refusal.New("revisions_not_renewed", "cause", err)
	}
	fmt.Fprintf(r.Out, "damage     %v\nput aside  %s\nThe progress log is sound: the next start makes the copy again from it.\ngo on with: %s\n", why, aside, refusal.Command("resume", r.dir))
	return nil
}

func (r *Recovery) recover(why error) error {
	if by := recovery.Superseding(r.dir, r.plan); by != "" {
		return refusal.New("lost_log_superseded", "cause", why, "run", by)
	}
	known := recovery.Recovery{At: time.Now(), Attempts: r.entry.Attempts}
	if n, err := ledger.CopiedRevisions(r.dir, r.plan); err == nil && n < r.entry.Revisions {
		return refusal.New("lost_log_older_copy", "cause", why, "copied", n, "known", r.entry.Revisions, "people", r.unanswered(), "campaign", r.plan.Campaign)
	}
	switch keys := r.entry.Keys; {
	case r.simulate, r.files:
	case r.OneApplication:
	case len(keys) == 1:
		known.Key = keys[0]
	case len(keys) > 1:
		return refusal.New("lost_log_several_keys", "cause", why, "keys", len(keys), "command", refusal.Command("recover", r.dir, "--one-application"))
	default:
		return refusal.New("lost_log_key_unknown", "cause", why, "command", refusal.Command("recover", r.dir, "--one-application"))
	}
	if !r.simulate && !r.files && r.Clock().Sub(r.plan.Created) > plan.Remembered {
		known.Hold = ledger.HoldForgotten
	}
	paused := recovery.PausedBefore(r.dir, r.plan)
	done, err := recovery.Recover(r.dir, r.plan, known)
	if err != nil {
		return refusal.New("recovery_failed", "cause", err)
	}
	if err := r.pauseAgain(paused); err != nil {
		return err
	}
	r.tell(why, done)
	return nil
}

// tell prints the result of the recovery and the next command.
func (r *Recovery) tell(why error, done recovery.RecoveredLog) {
	fmt.Fprintf(r.Out, "lost       %v\n", why)
	for _, folder := range done.Aside {
		fmt.Fprintf(r.Out, "put aside  %s\n", folder)
	}
	fmt.Fprintf(r.Out, "revisions  %d, from their second copy\nin doubt   %d messages, which may have been sent\n",
		done.Revisions, done.Ledger.Account().Fates[person.InDoubt])
	resume := refusal.Command("resume", r.dir)
	switch {
	case done.Ledger.Facts().Hold != "":
		fmt.Fprintf(r.Out, "Nothing of it may be replayed: %s.\nIt stays in doubt, and the report names it: %s\n", run.HoldWords(done.Ledger.Facts().Hold), refusal.Command("report", r.dir))
	case r.plan.NeverAgain:
		fmt.Fprintf(r.Out, "The service would take a message twice, so nothing of it is sent again.\nTo settle what the service's receipts name: %s\n", refusal.Command("reconcile", r.dir))
	case r.files:
		fmt.Fprintf(r.Out, "Each batch is written again, byte for byte. Files that are there already stay as they are.\ngo on with: %s\n", resume)
	case r.simulate:
		fmt.Fprintf(r.Out, "The simulator of a rehearsal remembers nothing: it takes everything anew, and nobody is sent to.\ngo on with: %s\n", resume)
	default:
		fmt.Fprintf(r.Out, "Each batch is replayed under its own reference. The service says which batches it had, and takes the others now.\ngo on with: %s\n", resume)
	}
}

// unanswered counts the messages that have no answer by what is left of the log.
func (r *Recovery) unanswered() int64 {
	folded, err := ledger.Read(r.dir, r.plan)
	if err != nil {
		return int64(r.plan.Messages)
	}
	fates := folded.Account().Fates
	return fates[person.NotSent] + fates[person.InDoubt]
}

// pauseAgain pauses the run again if the lost log said so. It warns that a pause may be forgotten
// if that part of the log cannot be read.
func (r *Recovery) pauseAgain(paused string) error {
	if paused == "" {
		fmt.Fprintln(r.Out, "levers     a pause or another pace that somebody asked for may be forgotten; if there was one, ask for it again before the run goes on")
		return nil
	}
	log, err := ledger.Open(r.dir, r.plan)
	if err != nil {
		return runfolder.RoomOr(err, runfolder.Unsound(r.dir, err), r.dir)
	}
	err = log.Command(time.Now(), ledger.Command{Verb: record.VerbPause, By: "recover", Reason: "the run was paused " + paused})
	if err = errors.Join(err, log.Close()); err != nil {
		return refusal.New("pause_not_restored", "cause", err)
	}
	fmt.Fprintf(r.Out, "paused     %s; to go on afterwards: %s\n", paused, refusal.Command("continue", r.dir))
	return nil
}
