package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest/person"
)

func retryCommand() *cobra.Command {
	r := &retrying{}
	c := &cobra.Command{
		Use:   "retry DIR --refused --reason TEXT [--code CODE]...",
		Short: "Have refused messages of a run sent again, when a person has mended the cause",
		Long: `Retry is for messages that the service has refused for a cause that is mended by now: a
template, a routing plan, a rule of the account. It shows how many there are by their reason
code, makes new batches of them under references of their own, and notes in the run's log who
has decided so and why. It sends nothing: the next resume does.

Nobody who was accepted, or may have been, is in these batches. What is sent is what was
planned: a mistake in the cohort's own data is mended by a corrected file and --new-cohort.

Two kinds of refused messages are left as they are, and counted:
  listed   a suppression list has named the person since; suppression is never taken back
  unsure   a request that held them went unanswered before another was refused. It may have
           come in since the cause was mended, and they may have been sent to by it. Or NHS
           Notify has refused their upload, and its daily reports name messages of it
The lists are read again before anything is sent, and leave out whom they name by then.

Exit codes: 0 they will be sent again (or would be, with --dry-run); 10 none will, and why.`,
		Example: `  cohort retry runs/winter-2026-11-1a2b3c4d --refused --dry-run
  cohort retry runs/winter-2026-11-1a2b3c4d --refused --code CM_INVALID_VALUE --reason "the template takes long names now"`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			r.out, r.log = c.OutOrStdout(), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return r.run(args[0])
		},
	}
	f := c.Flags()
	f.BoolVar(&r.refused, "refused", false, "the messages that the service has refused")
	f.StringSliceVar(&r.codes, "code", nil, "only those with this reason `code` in the report; may be repeated")
	f.StringVar(&r.reason, "reason", "", "what was wrong and is mended, in words without personal data; it is recorded")
	f.BoolVar(&r.dryRun, "dry-run", false, "show what would be sent again, and change nothing")
	f.BoolVar(&r.network, "allow-network-folder", false, networkHelp)
	return c
}

// retrying is one call of retry.
//
//	hold the folder ─▶ may the run send? ─▶ show ─▶ register ─▶ control record, revisions
type retrying struct {
	refused, dryRun, network bool
	codes                    []string
	reason                   string
	out                      io.Writer
	log                      *slog.Logger
}

func (r *retrying) run(path string) error {
	if err := r.flags(); err != nil {
		return err
	}
	dir, err := absolute(path)
	if err != nil {
		return err
	}
	s := &session{log: r.log}
	if s.call, err = readCall(dir); err != nil {
		return err
	}
	plan, err := planned(dir)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	if s.campaign, _, _, err = readCampaign(dir, s.call); err != nil {
		return err
	}
	if s.folder, err = holdFolder(dir, "retry", r.network, r.log); err != nil {
		if busy := (*disk.HeldError)(nil); errors.As(err, &busy) {
			if busy.Holder.Doing == reconcileVerb { // which does not listen
				return fmt.Errorf("%w; to stop it first: kill -INT %d", err, busy.Holder.PID)
			}
			return fmt.Errorf("%w; to stop it first: %s", err, command("stop", dir))
		}
		return err
	}
	defer s.folder.release()
	ledger, err := ledger.Read(dir, plan)
	if err != nil {
		return unsound(dir, err)
	}
	if err := s.mayRetry(plan, ledger, "whom the service refused here"); err != nil {
		return err
	}
	again := decision.RetryCandidates(ledger, r.codes)
	r.show(again)
	if again.Sum().Again == 0 {
		return nothingAgain(ledger, again)
	}
	if r.dryRun {
		fmt.Fprintln(r.out, "nothing was changed (--dry-run)")
		return nil
	}
	if err := r.write(s, plan); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%d refused messages will be sent again; go on with: %s\n", again.Sum().Again, command("resume", dir))
	return nil
}

func (r *retrying) flags() error {
	switch {
	case !r.refused:
		return refuse("which messages? give --refused: those that the service has refused. Nothing else is ever sent again by hand: what is in doubt is settled by cohort resume, and what was not sent yet is sent by it")
	case !r.dryRun && strings.TrimSpace(r.reason) == "":
		return refuse("give --reason: what the messages were refused for, and that it is mended; it is recorded. --dry-run shows what would be sent again without one")
	}
	return nil
}

// mayRetry refuses where nothing more may be sent from this run: a retry would be the only
// thing that makes a finished run send again. whom says to whom.
func (s *session) mayRetry(planned *plan.Plan, ledger *ledger.Ledger, whom string) error {
	if err := campaign.Compare(planned.Frozen, s.campaign.Frozen()); err != nil {
		return refuse("%w", err)
	}
	if err := s.adopt(s.folder.path); err != nil {
		return err
	}
	reg, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	st := s.standing(reg, planned, ledger)
	switch {
	case st.facts.foreign > 0:
		return refuse("the service holds %d batches under references of this run that its log never sent; a person has to decide about these first: %s", st.facts.foreign, command("recover", s.folder.path))
	case ledger.Facts().Hold != "":
		return refuse("the log took the place of one that was lost, and nothing may be sent again: %s", holdWords(ledger.Facts().Hold))
	case st.facts.superseded != "":
		return admit(st)
	}
	for _, rival := range st.rivals {
		if !slices.ContainsFunc(st.planned, func(e plan.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return refuse("run %.8s of this campaign (%s) is over another cohort file, and may have reached those %s: nothing more is sent from this run",
				rival.RunID, rival.Folder, whom)
		}
	}
	return admit(st)
}

// show says by reason code what becomes of the refused messages.
func (r *retrying) show(again *decision.Retry) {
	if len(again.Counts) == 0 {
		return
	}
	line := func(title string, c decision.RetryCount) {
		fmt.Fprintf(r.out, "%-34s %10d %10d %10d\n", title, c.Again, c.Listed, c.Unsure)
	}
	fmt.Fprintf(r.out, "%-34s %10s %10s %10s\n", "refused with", "send again", "listed", "unsure")
	for _, c := range again.Counts {
		line(cmp.Or(c.Code, "(no code)"), c)
	}
	line("in all", again.Sum())
}

// nothingAgain says why there is nothing to send again.
func nothingAgain(ledger *ledger.Ledger, again *decision.Retry) error {
	sum := again.Sum()
	switch {
	case sum.Unsure > 0:
		return refuse("nothing is sent again: they may have been taken, since a request that held them went unanswered or daily reports name messages of their refused upload (%d refused messages), or a suppression list has named the person (%d); see cohort retry --help", sum.Unsure, sum.Listed)
	case sum.Listed > 0:
		return refuse("nothing is sent again: a suppression list has named the people of all %d refused messages", sum.Listed)
	case ledger.Account().Fates[person.Refused] > 0:
		var codes []string
		for _, c := range decision.RetryCandidates(ledger, nil).Counts {
			codes = append(codes, c.Code)
		}
		return refuse("nothing is sent again: no message was refused with such a code; those of the run are %s", strings.Join(codes, ", "))
	}
	return refuse("nothing is sent again: no message of this run was refused")
}

// write makes it so. The register is told first that the run is no longer finished: one
// whose log knows less than the register would be taken for an older copy.
func (r *retrying) write(s *session, plan *plan.Plan) (err error) {
	spool, err := openSpool(s.folder.file(spoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	if err := broughtPersonalisation(s.campaign, s.folder); err != nil {
		return err
	}
	fields, err := fieldsOf(s.campaign)
	if err != nil {
		return err
	}
	sink, err := measuringSink(s.campaign, fields)
	if err != nil {
		return err
	}
	if err := reopen(s, plan); err != nil {
		return err
	}
	log, err := ledger.Open(s.folder.path, plan)
	if err != nil {
		return unsound(s.folder.path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refuse("the progress log cannot be written: %w", e)
		}
	}()
	if err := decision.RetryCandidates(log.Ledger, r.codes).Commit(log, spool, sink, whoAmI(), r.reason, time.Now()); err != nil {
		return refuse("not all of them could be taken up: %w; those that are count as not_sent (%s), and a further retry takes up the others", err, command("status", s.folder.path))
	}
	if _, err := register.ReachedAll(s.campaign.Registers(), plan.RunID, log.Ledger.Facts().Attempts, uint64(log.Ledger.Facts().Revisions)); err != nil {
		r.log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
	return nil
}

// reopen notes in the register that a finished run has something to send again.
func reopen(s *session, plan *plan.Plan) error {
	reg, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	entry, known := reg.Run(plan.RunID)
	if !known || entry.State != register.Finished {
		return nil
	}
	entry.State = register.Begun
	if err := reg.Record(entry); err != nil {
		return refuse("%w", err)
	}
	return nil
}
