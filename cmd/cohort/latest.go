package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

func decideCommand() *cobra.Command {
	var d latestDecision
	c := &cobra.Command{
		Use:   "decide DIR latest --reason TEXT [--dry-run]",
		Short: "Decide what cohort cannot know about a run",
		Long: `Decide records a person's decision in a run's log. It sends nothing: the next resume does.

  latest   this folder is the latest state of the run

A send to the NHS App asks for it when the folder is a copy, or a backup was put in its place.
If the run went on after that copy was made, the people it reached since would get the message
twice. Decide first reads the service's receipts and shows them. It refuses when a receipt names
a message that this folder never sent. Receipts come late, so a missing one proves nothing: say
latest only if you know that the run did not go on elsewhere.

Exit codes: 0 recorded, or shown with --dry-run; 10 refused, nothing was changed.`,
		Example: `  cohort decide runs/winter-2026-11-1a2b3c4d latest --reason "moved here from the old server"`,
		Args:    arguments(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) (err error) {
			switch {
			case args[1] != "latest":
				return refuse("%q is no decision; what can be decided is: latest", args[1])
			case !d.dryRun && strings.TrimSpace(d.reason) == "":
				return refuse("give --reason: how you know that the run did not go on elsewhere; it is recorded. --dry-run needs none")
			}
			if err := checkReason(d.reason); err != nil {
				return err
			}
			if d.runFolder, err = absolute(args[0]); err != nil {
				return err
			}
			d.open(c)
			return d.run(c.Context())
		},
	}
	c.Flags().StringVar(&d.reason, "reason", "", "how you know it, in words without personal data; it is recorded")
	c.Flags().BoolVar(&d.dryRun, "dry-run", false, "show what the service's receipts say, and change nothing")
	c.Flags().BoolVar(&d.network, "allow-network-folder", false, networkHelp)
	return c
}

// latestDecision is one call of decide.
//
//	hold the folder ─▶ is anything asked? ─▶ receipts ─▶ show ─▶ control record
type latestDecision struct {
	session
	reason string
	dryRun bool
}

func (d *latestDecision) run(ctx context.Context) (err error) {
	if d.call, err = readCall(d.runFolder); err != nil {
		return err
	}
	plan, err := planned(d.runFolder)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	if d.campaign, _, _, err = readCampaign(d.runFolder, d.call); err != nil {
		return err
	}
	if err := campaign.Compare(plan.Frozen, d.campaign.Frozen()); err != nil {
		if changed := planChanged(d.runFolder, plan); changed != nil {
			return changed
		}
		return refuse("%w", err)
	}
	d.call.Simulate = plan.Service == d.campaign.ServiceID(true)
	if d.folder, err = holdFolder(d.runFolder, "decide", d.network, d.log); err != nil {
		return err
	}
	defer d.folder.release()
	defer d.end()
	folded, err := ledger.Read(d.runFolder, plan)
	if err != nil {
		return unsound(d.runFolder, err)
	}
	if err := d.mayWrite(plan, folded); err != nil {
		return err
	}
	why := folded.ShowsLatest(d.runFolder)
	if why == nil {
		return refuse("nothing waits for this decision: the run was last at work in %s; go on with: %s", d.runFolder, command("resume", d.runFolder))
	}
	if copied := (*ledger.CopyError)(nil); !errors.As(why, &copied) || copied.Older {
		return askLatest(d.runFolder, why)
	}
	fmt.Fprintf(d.stdout, "folder     %s: %s\nlast       answer at %s, %d requests\n", d.runFolder, why, folded.Facts().LastAnswer.In(d.campaign.Pace.Location).Format(time.DateTime+" MST"), folded.Facts().Attempts)
	if plan.Kind() == engine.CanBeAsked && !d.call.Simulate {
		if err := d.show(ctx, plan); err != nil {
			return err
		}
	}
	if d.dryRun {
		fmt.Fprintln(d.stdout, "nothing was changed (--dry-run)")
		return nil
	}
	if err := d.noteWitness(plan, "by "+whoAmI()+": "+d.reason); err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "recorded: this folder is the latest, because: %s\ngo on with: %s\n", d.reason, command("resume", d.runFolder))
	return nil
}

// show shows what the folder says of the run's messages, and how many of them the service has a
// receipt of. It refuses when the service has more than the folder has sent.
func (d *latestDecision) show(ctx context.Context, plan *plan.Plan) error {
	if err := d.connect(); err != nil {
		return err
	}
	if err := d.sink.Check(ctx); err != nil {
		return refuse("%w", err)
	}
	spool, err := openSpool(d.folder.file(spoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	receipts := newReceipts(plan, d.log)
	if _, err := d.readReceipts(ctx, plan, nil, receipts); err != nil {
		if end := (*ended)(nil); errors.As(err, &end) {
			end.next = command("decide", d.runFolder, "latest", "--reason", d.reason)
		}
		return err
	}
	of, named, beyond := map[person.Fate]int{}, map[person.Fate]int{}, 0
	for m, err := range eachMessage(d.runFolder, plan, spool) {
		if err != nil {
			return err
		}
		of[m.fate]++
		if receipts.rank(m.row-1) >= 0 {
			named[m.fate]++
			if m.fate != person.Accepted && m.fate != person.InDoubt {
				beyond++
			}
		}
	}
	for _, fate := range person.Fates {
		if of[fate] > 0 {
			fmt.Fprintf(d.stdout, "%-10s %10d, with a receipt %10d\n", fate, of[fate], named[fate])
		}
	}
	if beyond > 0 {
		return askLatest(d.runFolder, &ledger.CopyError{Why: fmt.Sprintf("the service has receipts of %d messages that it never sent, or has as refused", beyond), Older: true})
	}
	if accepted := of[person.Accepted]; 2*named[person.Accepted] <= accepted {
		d.log.Warn("the receipts prove little: most are still to come, or this application is not shown them", "accepted", accepted, "with_receipt", named[person.Accepted])
	}
	return nil
}

// noteWitness notes, before anything is sent, that the run is at work in this folder, and who
// has decided so.
func (s *session) noteWitness(plan *plan.Plan, decided string) error {
	log, err := ledger.Open(s.folder.path, plan)
	if err != nil {
		return roomOr(err, unsound(s.folder.path, err), s.folder.path)
	}
	if err := errors.Join(log.NoteWitness(time.Now(), s.folder.path, decided), log.Close()); err != nil {
		return roomOr(err, refuse("the run's folder cannot be written: %w", err), s.folder.path)
	}
	return nil
}

// isLatest refuses a folder that may be a copy, where the service takes a message twice.
func (s *session) isLatest(plan *plan.Plan, ledger *ledger.Ledger) error {
	if plan.Kind() == engine.Deduplicates || s.call.Simulate {
		return nil
	}
	return askLatest(s.folder.path, ledger.ShowsLatest(s.folder.path))
}

// askLatest says what to do where a folder cannot show that it is the latest.
func askLatest(folder string, why error) error {
	copied, log := (*ledger.CopyError)(nil), filepath.Join(folder, "log")
	switch {
	case why == nil:
		return nil
	case !errors.As(why, &copied):
		return unsound(folder, why)
	case copied.Older:
		return refuse("%s is an older copy of the run: %w. Nothing was sent. Bring back the folder in which the run was last at work. If that is lost: mv %s %s && %s; then nobody is sent to again, and the service's receipts settle whom they name",
			folder, why, shellWord(log), shellWord(log+".older"), command("recover", folder))
	}
	return refuse("%s may be an older copy of the run: %w. The people whom a later copy reached would get the message twice. Nothing was sent. Bring back the folder in which the run was last at work; if this is it, say so: %s",
		folder, why, command("decide", folder, "latest", "--reason", "how you know"))
}
