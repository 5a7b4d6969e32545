package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

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
	"cohort/engine/runfolder"
	"cohort/shard"
	"cohort/sinks/delivery"
)

// inDoubtAgain has messages in doubt at the NHS App sent again, when no receipt names them.
//
//	may the run send? ─▶ receipts ─▶ lists ─▶ show ─▶ old enough? do receipts come?
func (d *decider) inDoubtAgain(ctx context.Context) (func() (string, error), error) {
	s := d.run
	if !d.ledger.AnyInDoubt() {
		return nil, refusal.New("none_in_doubt")
	}
	if !d.plan.NeverAgain {
		return nil, run.BySettling(s.Folder.Path, d.plan, run.ClockOf(ctx)())
	}
	if s.Call.Simulate {
		return nil, refusal.New("rehearsal_forgotten")
	}
	if err := s.Connect(); err != nil {
		return nil, err
	}
	now := run.ClockOf(ctx)()
	if err := d.ledger.Take(ledger.Start{At: now, Key: d.ledger.Facts().Key}); err != nil {
		return nil, runfolder.Unsound(s.Folder.Path, err)
	}
	if err := s.MaySendAgain(d.plan, d.ledger, "who are in doubt here"); err != nil {
		return nil, err
	}
	w, err := d.weighDoubt(ctx, now)
	if end := (*refusal.Ended)(nil); errors.As(err, &end) {
		return nil, &refusal.Ended{Err: end.Err, Code: end.Code, Next: Command(s.Folder.Path, d.Decision)}
	}
	if err != nil {
		return nil, err
	}
	showDoubt(s.Stdout, w.again)
	if err := w.refuses(s); err != nil {
		return nil, err
	}
	return func() (string, error) {
		return fmt.Sprintf("%d messages in doubt will be sent again", w.again.Again), d.takeUpDoubt(w, now)
	}, nil
}

// doubt holds the evidence of receipts and lists about the messages in doubt.
type doubt struct {
	found map[plan.FormID]string // ids of messages that receipts name
	again *decision.Resend
	proof error // why a missing receipt proves nothing; nil: it proves what it can
}

// refuses returns an error if the messages may not be sent again.
func (w *doubt) refuses(s *run.Runner) error {
	switch again := w.again; {
	case again.Again == 0 && again.Due > 0:
		return refusal.New("resend_decided_before", "messages", again.Due, "command", s.GoOn())
	case again.Again == 0 && again.Other > 0:
		return refusal.New("resend_with_another_key")
	case again.Again == 0:
		return refusal.New("nothing_to_resend", "command", s.Asks())
	case again.Young > 0:
		return refusal.New("resend_too_early", "messages", again.Young, "from", again.From.Format("Mon 2 Jan 2006 15:04 MST"))
	}
	return w.proof
}

// weighDoubt asks the service's receipts and the suppression lists about the messages in doubt.
func (d *decider) weighDoubt(ctx context.Context, now time.Time) (*doubt, error) {
	s, dir := d.run, d.run.Folder.Path
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), d.plan)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	if err := s.Sink.Check(ctx); err != nil {
		return nil, refusal.New("service_check_failed", "cause", err)
	}
	forms, _, err := decision.InDoubt(d.ledger, spool)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	w, receipts := &doubt{}, delivery.NewReceipts(d.plan, s.Log)
	if w.found, err = reconcile.Named(s, ctx, d.plan, forms, d.heard, receipts); err != nil {
		return nil, err
	}
	attempted, err := reconcile.AttemptsOf(dir, d.plan, forms)
	if err != nil {
		return nil, err
	}
	days := map[time.Time]bool{}
	for form, a := range attempted {
		if _, found := w.found[form]; !found {
			days[delivery.DayOf(a.Last)] = true
		}
	}
	w.proof, err = reconcile.ReceiptsCome(s, receipts, delivery.EachMessage(dir, d.plan, spool), days, now)
	if err != nil {
		return nil, err
	}
	w.again, err = d.notListed(ctx, w.found, attempted, spool, now)
	return w, err
}

// notListed leaves out the people that suppression lists name.
func (d *decider) notListed(ctx context.Context, found map[plan.FormID]string, attempted map[plan.FormID]decision.Attempted, spool *shard.Spool, now time.Time) (*decision.Resend, error) {
	s := d.run
	key, err := s.Tokens.Fingerprint()
	if err != nil {
		return nil, refusal.New("api_key_unusable", "cause", err)
	}
	defer func() { _ = os.RemoveAll(s.Folder.File(runfolder.ListsFolder)) }()
	var listing dispatch.Listing
	if lists := s.Lists(); len(lists.Of) > 0 {
		if listing, err = lists.Listing(ctx, s.Folder.Path, spool, d.ledger.Facts().Lists); err != nil {
			return nil, refusal.New("lists_unreadable", "cause", err)
		}
	}
	again, err := decision.ResendCandidates(ctx, d.ledger, decision.Evidence{Found: found, Attempts: attempted, Key: key, People: listing.People}, now)
	switch {
	case ctx.Err() != nil:
		return nil, &refusal.Ended{Err: refusal.New("stopped_changing_nothing"), Code: refusal.ExitStopped}
	case err != nil:
		return nil, refusal.New("resend_not_weighed", "cause", err)
	}
	return again, nil
}

func showDoubt(out io.Writer, again *decision.Resend) {
	for _, line := range []struct {
		words    string
		messages int
	}{
		{"named by a receipt, and so accepted", again.Named},
		{"to be sent again", again.Again},
		{"  their receipts may still come", again.Young},
		{"listed, and never sent again", again.Listed},
		{"known only to a log that was lost", again.Lost},
		{"attempted with another API key", again.Other},
		{"decided before, and still to be sent", again.Due},
	} {
		fmt.Fprintf(out, "%-38s %10d\n", line.words, line.messages)
	}
}

// takeUpDoubt records what the receipts tell, and then the decision.
func (d *decider) takeUpDoubt(w *doubt, now time.Time) error {
	key, err := d.run.Key()
	if err != nil {
		return refusal.New("api_key_unusable", "cause", err)
	}
	return d.inLog(func(log *ledger.Log) error {
		err := log.Open(ledger.Start{At: now, Version: build.Version(), Key: key})
		if err == nil {
			err = decision.Found(log, now, w.found)
		}
		if err == nil {
			err = w.again.Commit(log, control.WhoAmI(), d.Reason, now)
		}
		return err
	})
}
