package repair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/build"
	"cohort/engine/control"
	"cohort/engine/decision"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/shard"
	"cohort/sinks/delivery"
)

// resending has messages in doubt sent again because a person has decided so.
//
//	may the run send? ─▶ receipts ─▶ lists ─▶ show ─▶ old enough? ─▶ control record, decisions
type Resend struct {
	Chosen, dryRun bool
	reason         string
}

func (r *Resend) Flags(c *cobra.Command) {
	c.Flags().StringVar(&r.reason, "resend-in-doubt", "", "have sent again what is in doubt and no receipt names; the `reason`, in words without personal data, is recorded")
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "with --resend-in-doubt: show what would be sent again, and change nothing")
}

// check refuses flags that do not belong together.
func (r *Resend) Check(c *cobra.Command) error {
	r.Chosen = c.Flags().Changed("resend-in-doubt")
	switch {
	case r.Chosen && strings.TrimSpace(r.reason) == "":
		return refusal.New("resend_without_reason")
	case r.Chosen && (c.Flags().Changed("json") || c.Flags().Changed("fallback") || c.Flags().Changed("unread") || c.Flags().Changed("daily-report") || c.Flags().Changed("per-second")):
		return refusal.New("resend_with_other_flags")
	case r.dryRun && !r.Chosen:
		return refusal.New("dry_run_without_resend")
	}
	return nil
}

// resendInDoubt does it. Nothing is changed unless all of it may be done.
func ResendInDoubt(s *run.Runner, ctx context.Context, plan *plan.Plan, r *Resend) error {
	if !plan.NeverAgain {
		return refusal.New("replay_settles", "command", refusal.Command("resume", s.Folder.Path, "--settle"))
	}
	if err := s.AsPlanned(plan); err != nil {
		return err
	}
	if plan.Service == s.Campaign.ServiceID(true) {
		return refusal.New("rehearsal_forgotten")
	}
	if err := s.Connect(); err != nil {
		return err
	}
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	now := run.ClockOf(ctx)()
	folded, err := ledger.Read(s.Folder.Path, plan)
	if err == nil {
		err = folded.Take(ledger.Start{At: now, Key: folded.Facts().Key})
	}
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	if err := s.MayRetry(plan, folded, "who are in doubt here"); err != nil {
		return err
	}
	found, again, proof, err := weigh(s, ctx, plan, folded, spool, now)
	if end := (*refusal.Ended)(nil); errors.As(err, &end) {
		return &refusal.Ended{Err: end.Err, Code: end.Code, Next: refusal.Command("reconcile", s.Folder.Path, "--resend-in-doubt", r.reason)}
	}
	if err != nil {
		return err
	}
	showAgain(s, again)
	switch {
	case again.Again == 0 && again.Due > 0:
		return refusal.New("resend_decided_before", "messages", again.Due, "command", s.GoOn())
	case again.Again == 0 && again.Other > 0:
		return refusal.New("resend_with_another_key")
	case again.Again == 0:
		return refusal.New("nothing_to_resend", "command", s.Asks())
	case again.Young > 0:
		return refusal.New("resend_too_early", "messages", again.Young, "from", again.From.Format("Mon 2 Jan 2006 15:04 MST"))
	case proof != nil:
		return proof
	case r.dryRun:
		fmt.Fprintln(s.Stdout, "nothing was changed (--dry-run)")
		return nil
	}
	if err := decide(s, plan, found, again, r.reason, now); err != nil {
		return err
	}
	fmt.Fprintf(s.Stdout, "%d messages in doubt will be sent again; go on with: %s\n", again.Again, s.GoOn())
	return nil
}

// weigh asks the service's receipts and the suppression lists what may become of the
// messages in doubt. proof is why receipts that did not come prove nothing.
func weigh(s *run.Runner, ctx context.Context, planned *plan.Plan, folded *ledger.Ledger, spool *shard.Spool, now time.Time) (found map[plan.FormID]string, again *decision.Resend, proof, err error) {
	if err := s.Sink.Check(ctx); err != nil {
		return nil, nil, nil, refusal.New("service_check_failed", "cause", err)
	}
	forms, _, err := decision.InDoubt(folded, spool)
	if err != nil {
		return nil, nil, nil, runfolder.Damaged(err)
	}
	receipts := delivery.NewReceipts(planned, s.Log)
	found, err = reconcile.ReadReceipts(s, ctx, planned, forms, receipts)
	if err != nil {
		return nil, nil, nil, err
	}
	inDoubt := make(map[plan.FormID]bool, len(forms))
	for _, form := range forms {
		inDoubt[form] = true
	}
	attempted, err := decision.Attempts(s.Folder.Path, planned, func(form plan.FormID) bool { return inDoubt[form] })
	if err != nil {
		return nil, nil, nil, runfolder.Unsound(s.Folder.Path, err)
	}
	key, err := s.Tokens.Fingerprint()
	if err != nil {
		return nil, nil, nil, refusal.New("api_key_unusable", "cause", err)
	}
	days := map[time.Time]bool{}
	for form, a := range attempted {
		if found[form] == "" {
			days[delivery.DayOf(a.Last)] = true
		}
	}
	proof, err = reconcile.ReceiptsCome(s, receipts, delivery.EachMessage(s.Folder.Path, planned, spool), days, now)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = os.RemoveAll(s.Folder.File(runfolder.ListsFolder)) }()
	var listing dispatch.Listing
	if lists := s.Lists(); len(lists.Of) > 0 {
		if listing, err = lists.Listing(ctx, s.Folder.Path, spool, folded.Facts().Lists); err != nil {
			return nil, nil, nil, refusal.New("lists_unreadable", "cause", err)
		}
	}
	again, err = decision.ResendCandidates(ctx, folded, decision.Evidence{Found: found, Attempts: attempted, Key: key, People: listing.People}, now)
	if ctx.Err() != nil {
		return nil, nil, nil, &refusal.Ended{Err: refusal.New("stopped_changing_nothing"), Code: refusal.ExitStopped, Next: ""}
	}
	if err != nil {
		return nil, nil, nil, refusal.New("resend_not_weighed", "cause", err)
	}
	return found, again, proof, nil
}

// showAgain says what becomes of the messages in doubt.
func showAgain(s *run.Runner, again *decision.Resend) {
	for _, line := range []struct {
		words    string
		messages int
	}{
		{"named by a receipt, and so accepted", again.Named},
		{"to be sent again", again.Again},
		{"  of which receipts may still come", again.Young},
		{"listed, and never sent again", again.Listed},
		{"known to a log alone that was lost", again.Lost},
		{"attempted with another API key", again.Other},
		{"decided before, and still to be sent", again.Due},
	} {
		fmt.Fprintf(s.Stdout, "%-38s %10d\n", line.words, line.messages)
	}
}

// decide writes down what the receipts tell, and then the decision.
func decide(s *run.Runner, plan *plan.Plan, found map[plan.FormID]string, again *decision.Resend, reason string, now time.Time) (err error) {
	key, err := s.Key()
	if err != nil {
		return refusal.New("api_key_unusable", "cause", err)
	}
	log, err := ledger.Open(s.Folder.Path, plan)
	if err != nil {
		return runfolder.RoomOr(err, runfolder.Unsound(s.Folder.Path, err), s.Folder.Path)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refusal.New("log_unwritable", "cause", e)
		}
	}()
	err = log.Open(ledger.Start{At: now, Version: build.Version(), Key: key})
	if err == nil {
		err = decision.Found(log, now, found)
	}
	if err == nil {
		err = again.Commit(log, control.WhoAmI(), reason, now)
	}
	if err != nil {
		return refusal.New("resend_partly_recorded", "cause", err, "command", refusal.Command("status", s.Folder.Path))
	}
	if _, err := register.ReachedAll(s.Campaign.Registers(), plan.RunID, log.Ledger.Facts().Attempts, uint64(log.Ledger.Facts().Revisions)); err != nil {
		s.Log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
	return nil
}
