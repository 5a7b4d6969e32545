package repair

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/control"
	"cohort/engine/decision"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks"
)

// retrying is one call of retry.
//
//	hold the folder ─▶ may the run send? ─▶ show ─▶ register ─▶ control record, revisions
type Retry struct {
	Refused, DryRun, Network bool
	Codes                    []string
	Reason                   string
	Out                      io.Writer
	Log                      *slog.Logger
}

func (r *Retry) Run(path string) error {
	if err := r.flags(); err != nil {
		return err
	}
	dir, call, err := runfolder.Find(path)
	if err != nil {
		return err
	}
	s := &run.Runner{Log: r.Log, Call: call}
	plan, err := runfolder.Plan(dir)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	if s.Campaign, _, _, err = runfolder.ReadCampaign(dir, s.Call); err != nil {
		return err
	}
	if s.Folder, err = runfolder.Hold(dir, "retry", r.Network, r.Log); err != nil {
		if busy := (*disk.HeldError)(nil); errors.As(err, &busy) {
			if busy.Holder.Doing == reconcile.Verb { // which does not listen
				return fmt.Errorf("%w; to stop it first: kill -INT %d", err, busy.Holder.PID)
			}
			return fmt.Errorf("%w; to stop it first: %s", err, refusal.Command("stop", dir))
		}
		return err
	}
	defer s.Folder.Release()
	ledger, err := ledger.Read(dir, plan)
	if err != nil {
		return runfolder.Unsound(dir, err)
	}
	if err := s.MayRetry(plan, ledger, "whom the service refused here"); err != nil {
		return err
	}
	again := decision.RetryCandidates(ledger, r.Codes)
	r.show(again)
	if again.Sum().Again == 0 {
		return nothingAgain(ledger, again)
	}
	if r.DryRun {
		fmt.Fprintln(r.Out, "nothing was changed (--dry-run)")
		return nil
	}
	if err := r.write(s, plan); err != nil {
		return err
	}
	fmt.Fprintf(r.Out, "%d refused messages will be sent again; go on with: %s\n", again.Sum().Again, refusal.Command("resume", dir))
	return nil
}

func (r *Retry) flags() error {
	switch {
	case !r.Refused:
		return refusal.New("retry_without_choice")
	case !r.DryRun && strings.TrimSpace(r.Reason) == "":
		return refusal.New("retry_without_reason")
	}
	return nil
}

// show says by reason code what becomes of the refused messages.
func (r *Retry) show(again *decision.Retry) {
	if len(again.Counts) == 0 {
		return
	}
	line := func(title string, c decision.RetryCount) {
		fmt.Fprintf(r.Out, "%-34s %10d %10d %10d\n", title, c.Again, c.Listed, c.Unsure)
	}
	fmt.Fprintf(r.Out, "%-34s %10s %10s %10s\n", "refused with", "send again", "listed", "unsure")
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
		return refusal.New("refused_unsure_or_listed", "unsure", sum.Unsure, "listed", sum.Listed)
	case sum.Listed > 0:
		return refusal.New("refused_all_listed", "messages", sum.Listed)
	case ledger.Account().Fates[person.Refused] > 0:
		var codes []string
		for _, c := range decision.RetryCandidates(ledger, nil).Counts {
			codes = append(codes, c.Code)
		}
		return refusal.New("no_such_refusal_code", "codes", strings.Join(codes, ", "))
	}
	return refusal.New("nothing_was_refused")
}

// write makes it so. The register is told first that the run is no longer finished: one
// whose log knows less than the register would be taken for an older copy.
func (r *Retry) write(s *run.Runner, plan *plan.Plan) (err error) {
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	if err := intake.BroughtPersonalisation(s.Campaign, s.Folder); err != nil {
		return err
	}
	fields, err := sinks.FieldsOf(s.Campaign)
	if err != nil {
		return err
	}
	sink, err := sinks.Measuring(s.Campaign, fields)
	if err != nil {
		return err
	}
	if err := reopen(s, plan); err != nil {
		return err
	}
	log, err := ledger.Open(s.Folder.Path, plan)
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refusal.New("log_unwritable", "cause", e)
		}
	}()
	if err := decision.RetryCandidates(log.Ledger, r.Codes).Commit(log, spool, sink, control.WhoAmI(), r.Reason, time.Now()); err != nil {
		return refusal.New("retry_partly_recorded", "cause", err, "command", refusal.Command("status", s.Folder.Path))
	}
	if _, err := register.ReachedAll(s.Campaign.Registers(), plan.RunID, log.Ledger.Facts().Attempts, uint64(log.Ledger.Facts().Revisions)); err != nil {
		r.Log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
	return nil
}

// reopen notes in the register that a finished run has something to send again.
func reopen(s *run.Runner, plan *plan.Plan) error {
	reg, err := run.OpenRegister(s.Campaign)
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
		return refusal.New("register_not_updated", "cause", err)
	}
	return nil
}
