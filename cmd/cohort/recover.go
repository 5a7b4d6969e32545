package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/recovery"
	"cohort/engine/register"
)

func recoverCommand() *cobra.Command {
	r := &recovering{}
	c := &cobra.Command{
		Use:   "recover DIR",
		Short: "Go on without a log that is lost or damaged, and decide what no replay can",
		Long: `Recover is for the run of a folder from which nothing can be sent any more.

When the progress log is lost or damaged, it is put aside under another name (never
deleted), and a new one begins in which every batch may have been sent already, in its
newest form. Then resume replays each batch under its own reference: what the service had it
says so, and what it never had it takes now. That costs time and no second letter. In the
report the ids of what was accepted before are not known. Without the second copy of the
revisions (the folder revisions) nothing may be replayed, and everything stays in doubt.

Where suppression lists name people since the cohort was planned, their batches are held:
the service may never have had them. --held replay sends them as they are.

When the log is sound recover changes nothing without a flag, and shows the batches that
wait for a decision, and those of which people were listed too late.

  --foreign accepted   what the service holds under references of this run, though its log
                       never sent it, was this run's: it counts as accepted, ids not known
  --foreign in-doubt   nobody can say whose it was: those batches stay in doubt
  --held replay        send the held batches of a recovered run with everybody in them

Each needs a --reason, which is recorded. Resume then goes on.

Exit codes: 0 done; 10 refused, and nothing was changed; 1 a defect in cohort.`,
		Example: `  cohort recover runs/winter-2026-11-1a2b3c4d
  cohort recover runs/winter-2026-11-1a2b3c4d --foreign accepted --reason "sent from the old server, as its log shows"`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			r.clock = clockOf(c.Context())
			r.out, r.log = c.OutOrStdout(), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return r.run(args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&r.foreign, "foreign", "", "what the batches are that the service holds and this log never sent: `accepted or in-doubt`")
	f.StringVar(&r.held, "held", "", "what to do with the batches that are held because people of them are listed: `replay`")
	f.StringVar(&r.reason, "reason", "", "why that was decided, in words without personal data; it is recorded")
	f.BoolVar(&r.oneApplication, "one-application", false, "every API key that the run was sent with belongs to the application of the present one; asked for where that is not known")
	f.BoolVar(&r.network, "allow-network-folder", false, networkHelp)
	return c
}

// recovery is one call of recover.
//
//	hold the folder ─▶ ask the register ─▶ read the log ─▶ sound: show, or decide
//	                                                    └▶ lost:  put aside, begin anew
type recovering struct {
	foreign, held, reason   string
	oneApplication, network bool
	clock                   func() time.Time
	out                     io.Writer
	log                     *slog.Logger

	dir      string
	plan     *plan.Plan
	simulate bool
	files    bool // what it sends is written to files, and again is not twice
	entry    register.Entry
	known    bool // the register has the entry
}

func (r *recovering) run(path string) (err error) {
	if err := r.flags(); err != nil {
		return err
	}
	if r.dir, err = absolute(path); err != nil {
		return err
	}
	called, err := readCall(r.dir)
	if err != nil {
		return err
	}
	r.plan, err = plan.Open(r.dir)
	if errors.Is(err, plan.ErrNone) && exists(filepath.Join(r.dir, "log")) {
		return refuse("%s holds a progress log and no plan, and without the plan nothing can be recovered: bring it back from a copy of the folder", r.dir)
	}
	if errors.Is(err, plan.ErrNone) {
		return refuse("%s holds no sealed plan: nothing was ever sent from it; go on with: %s", r.dir, command("resume", r.dir))
	}
	if err != nil {
		return damaged(err)
	}
	defer func() { _ = r.plan.Close() }()
	c, _, _, err := readCampaign(r.dir, called)
	if err != nil {
		return err
	}
	r.simulate, r.files = r.plan.Service == c.ServiceID(true), c.File != nil
	folder, err := holdFolder(r.dir, "recover", r.network, r.log)
	if err != nil {
		return err
	}
	defer folder.release()
	if err := r.ask(c); err != nil {
		return err
	}
	return r.look()
}

// flags refuses flags that do not belong together.
func (r *recovering) flags() error {
	decides := r.foreign != "" || r.held != ""
	switch {
	case r.foreign != "" && r.foreign != "accepted" && r.foreign != "in-doubt":
		return refuse("--foreign is accepted or in-doubt, not %s", r.foreign)
	case r.held != "" && r.held != "replay":
		return refuse("--held is replay, not %s", r.held)
	case r.foreign != "" && r.held != "":
		return refuse("decide one thing at a time: --foreign or --held")
	case decides && strings.TrimSpace(r.reason) == "":
		return refuse("a decision needs a --reason, which is recorded")
	case !decides && r.reason != "":
		return refuse("--reason goes with --foreign or --held")
	}
	return nil
}

// ask asks the register what it knows of the run, and refuses where the run does not live
// here or is no more.
func (r *recovering) ask(c *campaign.Campaign) error {
	reg, err := openRegister(c)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	r.entry, r.known = reg.Run(r.plan.RunID)
	if !r.known {
		return nil
	}
	if r.entry.State == register.Superseded {
		return refuse("the register says that this run's place was taken (%s); nothing more is sent from here", r.entry.Note)
	}
	if call, err := readCall(r.entry.Folder); !same(r.entry.Folder, r.dir) && err == nil && call.RunID == r.plan.RunID {
		return refuse("this run lives in %s, and %s is a copy; recover it there: %s", r.entry.Folder, r.dir, command("recover", r.entry.Folder))
	}
	return nil
}

// look reads the log and does what it asks for.
func (r *recovering) look() error {
	survey, err := inspect.Check(r.dir, r.plan)
	if errors.Is(err, ledger.ErrRevisions) {
		if ledger, e := ledger.Read(r.dir, r.plan); e == nil && r.distrust(ledger) == nil {
			return r.renew(err)
		}
	}
	switch {
	case ledger.IsDamage(err):
	case errors.As(err, new(*plan.ChangedError)):
		return unsound(r.dir, err)
	case err != nil:
		return refuse("the run's log cannot be read: %w; when it is lost for good, move the folder log out of %s and recover again", err, r.dir)
	case survey.Ledger.Facts().Starts == 0 && survey.Ledger.Facts().Recovered.IsZero() && survey.Copied == 0 && !r.known:
		return refuse("nothing was ever sent by this run: its log knows of no start, and the register does not know it; go on with: %s", command("resume", r.dir))
	default:
		if err = r.distrust(survey.Ledger); err == nil {
			return r.decide(survey.Ledger)
		}
	}
	if r.foreign != "" || r.held != "" {
		return refuse("the run's log is lost (%w): recover it first, and decide when it was resumed", err)
	}
	return r.recover(err)
}

// distrust says why a log that reads well is not the whole of what the run has done.
func (r *recovering) distrust(ledger *ledger.Ledger) error {
	f := factsOf(ledger)
	f.foreign = 0
	switch {
	case f.starts == 0 && !f.recovered:
		return errors.New("the progress log is missing or empty")
	case r.known:
		return believe(r.entry, f)
	}
	return nil
}

// renew puts a damaged second copy of the revisions aside. The log has them all.
func (r *recovering) renew(why error) error {
	aside, err := ledger.RenewRevisions(r.dir, time.Now())
	if err != nil {
		return refuse("%w", err)
	}
	fmt.Fprintf(r.out, "damage     %v\nput aside  %s\nThe progress log is sound: the next start makes the copy again from it.\ngo on with: %s\n", why, aside, command("resume", r.dir))
	return nil
}

// recover begins a new log.
func (r *recovering) recover(why error) error {
	if by := recovery.Superseding(r.dir, r.plan); by != "" {
		return refuse("the log is damaged (%w), and it says that run %s has taken this run's place; nothing more is sent from here", why, by)
	}
	known := recovery.Recovery{At: time.Now(), Attempts: r.entry.Attempts}
	if n, err := ledger.CopiedRevisions(r.dir, r.plan); err == nil && n < r.entry.Revisions {
		return refuse("the log is lost (%w), and the second copy of the revisions has %d of the %d that the register knows of: the folder is an older copy, and what it would send may have been replaced since; bring back the folder as it was last at work", why, n, r.entry.Revisions)
	}
	switch keys := r.entry.Keys; {
	case r.simulate, r.files:
	case r.oneApplication:
	case len(keys) == 1:
		known.Key = keys[0]
	case len(keys) > 1:
		return refuse("the log is lost (%w), and the run was sent with %d API keys: the service remembers references for each application; if all of them, and the present one, belong to one application, say so with --one-application", why, len(keys))
	default:
		return refuse("the log is lost (%w), and nobody noted with which API key the run was sent: the service remembers references for each application; if it was of the same application as the present one, say so with --one-application", why)
	}
	if !r.simulate && !r.files && r.clock().Sub(r.plan.Created) > remembered {
		known.Hold = ledger.HoldForgotten
	}
	paused := recovery.PausedBefore(r.dir, r.plan)
	done, err := recovery.Recover(r.dir, r.plan, known)
	if err != nil {
		return refuse("%w", err)
	}
	if err := r.pauseAgain(paused); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "lost       %v\n", why)
	for _, folder := range done.Aside {
		fmt.Fprintf(r.out, "put aside  %s\n", folder)
	}
	account := done.Ledger.Account()
	fmt.Fprintf(r.out, "revisions  %d, from their second copy\nin doubt   %d messages, which may have been sent\n", done.Revisions, account.Fates["in_doubt"])
	switch {
	case done.Ledger.Facts().Hold != "":
		fmt.Fprintf(r.out, "Nothing of it may be replayed: %s.\nIt stays in doubt, and the report says so: %s\n", holdWords(done.Ledger.Facts().Hold), command("report", r.dir))
	case r.plan.Kind() == engine.CanBeAsked:
		fmt.Fprintf(r.out, "The service would take a message twice, so nothing of it is sent again.\nWhat its receipts name is settled by: %s\n", command("reconcile", r.dir))
	case r.files:
		fmt.Fprintf(r.out, "Each batch is written again, byte for byte, and files that are there already are left as they are.\ngo on with: %s\n", command("resume", r.dir))
	case r.simulate:
		fmt.Fprintf(r.out, "The simulator of a rehearsal remembers nothing: it will take everything anew, and nobody is sent to.\ngo on with: %s\n", command("resume", r.dir))
	default:
		fmt.Fprintf(r.out, "Each batch is replayed under its own reference: what the service had it says so, and what it never had it takes now.\ngo on with: %s\n", command("resume", r.dir))
	}
	return nil
}

// pauseAgain keeps a run paused whose lost log said so. Of what cannot be read any more
// nobody knows, and that is said.
func (r *recovering) pauseAgain(paused string) error {
	if paused == "" {
		fmt.Fprintln(r.out, "levers     a pause or another pace that may have been asked for is forgotten; ask for it again before the run goes on, if there was one")
		return nil
	}
	log, err := ledger.Open(r.dir, r.plan)
	if err != nil {
		return roomOr(err, unsound(r.dir, err), r.dir)
	}
	err = log.Command(time.Now(), ledger.Command{Verb: record.VerbPause, By: "recover", Reason: "the run was paused " + paused})
	if err = errors.Join(err, log.Close()); err != nil {
		return refuse("the run was paused, and that cannot be written down again: %w", err)
	}
	fmt.Fprintf(r.out, "paused     %s; to go on afterwards: %s\n", paused, command("continue", r.dir))
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
