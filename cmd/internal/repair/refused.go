package repair

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/control"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// refusedAgain puts refused messages into new batches. Nobody who was accepted, or may have been,
// is in them.
func (d *decider) refusedAgain(context.Context) (func() (string, error), error) {
	if err := d.run.MaySendAgain(d.plan, d.ledger, "whom the service refused here"); err != nil {
		return nil, err
	}
	if err := d.run.NotFollowedUp(d.plan); err != nil {
		return nil, err
	}
	again := decision.RetryCandidates(d.ledger, d.Codes)
	showRefused(d.run.Stdout, again)
	if again.Sum().Again == 0 {
		return nil, noneRefused(d.ledger, again.Sum())
	}
	return func() (string, error) {
		return fmt.Sprintf("%d refused messages will be sent again", again.Sum().Again), d.takeUpRefused()
	}, nil
}

// showRefused shows by reason code what becomes of refused messages.
func showRefused(out io.Writer, again *decision.Retry) {
	if len(again.Counts) == 0 {
		return
	}
	line := func(title string, c decision.RetryCount) {
		fmt.Fprintf(out, "%-34s %10d %10d %10d %12d\n", title, c.Again, c.Listed, c.Unsure, c.Contradicted)
	}
	fmt.Fprintf(out, "%-34s %10s %10s %10s %12s\n", "refused with", "send again", "listed", "unsure", "contradicted")
	for _, c := range again.Counts {
		line(cmp.Or(c.Code, "(no code)"), c)
	}
	line("in all", again.Sum())
}

// noneRefused is the refusal when no refused message may be sent again. of counts those asked for.
func noneRefused(folded *ledger.Ledger, of decision.RetryCount) error {
	switch {
	case of.Unsure > 0:
		return refusal.New("refused_unsure_or_listed", "unsure", of.Unsure, "listed", of.Listed)
	case of.Contradicted > 0:
		return refusal.New("refused_contradicted", "contradicted", of.Contradicted, "listed", of.Listed)
	case of.Listed > 0:
		return refusal.New("refused_all_listed", "messages", of.Listed)
	case folded.Account().Fates[person.Refused] > 0:
		var codes []string
		for _, c := range decision.RetryCandidates(folded, nil).Counts {
			codes = append(codes, c.Code)
		}
		return refusal.New("no_such_refusal_code", "codes", strings.Join(codes, ", "))
	}
	return refusal.New("nothing_was_refused")
}

// takeUpRefused records the new batches. It first tells the register that the run is no longer
// finished: a log that knows less than the register would be taken for an older copy's.
func (d *decider) takeUpRefused() error {
	s := d.run
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), d.plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	sink, err := reconcile.Measuring(s)
	if err != nil {
		return err
	}
	if err := d.reopen(); err != nil {
		return err
	}
	return d.inLog(func(log *ledger.Log) error {
		return decision.RetryCandidates(log.Ledger, d.Codes).Commit(log, spool, sink, control.WhoAmI(), d.Reason, time.Now())
	})
}

// reopen tells the register that a finished run has something to send again.
func (d *decider) reopen() error {
	reg, err := run.OpenRegister(d.run.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	entry, known := reg.Run(d.plan.RunID)
	if !known || entry.State != register.Finished {
		return nil
	}
	entry.State = register.Begun
	if err := reg.Record(entry); err != nil {
		return refusal.New("register_not_updated", "cause", err)
	}
	return nil
}
