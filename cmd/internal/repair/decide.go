package repair

import (
	"fmt"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// mostShown is how many batches of a kind are listed.
const mostShown = 20

// decide shows what waits for a person, or records what the person decided.
func (r *Recovery) decide(ledger *ledger.Ledger) error {
	d, err := decision.Find(ledger)
	if err != nil {
		return err
	}
	result := map[string]record.Result{"accepted": record.ResultAcceptedUnknown, "in-doubt": record.ResultHeld, "replay": record.ResultReplay}[r.Foreign+r.Held]
	asked := d.Foreign
	if r.Held != "" {
		asked = d.Withheld
	}
	switch {
	case ledger.Facts().Superseded != "" && result != 0:
		return refusal.New("run_superseded", "run", ledger.Facts().Superseded)
	case result != 0 && len(asked) == 0:
		return refusal.New("no_batch_to_decide", "command", refusal.Command("recover", r.dir))
	case result != 0:
		return r.resolve(result)
	}
	fmt.Fprintf(r.Out, "the log of %s is sound: nothing was changed\n", r.dir)
	run.PrintLoss(r.Out, ledger)
	r.show("known to the service and never sent by this run's log; find out who sent them, then: "+refusal.Command("recover", r.dir, "--foreign", "accepted|in-doubt", "--reason", "…"), d.Foreign)
	r.show("held, since a lost log alone knew whether they were sent, and people of them are listed since; to send them as they are: "+refusal.Command("recover", r.dir, "--held", "replay", "--reason", "…"), d.Withheld)
	held := "held in doubt: they may have been accepted, and no replay can settle them"
	if r.plan.NeverAgain {
		held += "; what the service's receipts name is settled by: " + refusal.Command("reconcile", r.dir)
	}
	r.show(held, d.Held)
	r.show("with people who were listed when their messages had been attempted (reason code listed_too_late in the report)", d.Late)
	if live, _, _ := ledger.Unsettled(); live > 0 && len(d.Foreign) == 0 && ledger.Facts().Superseded == "" {
		fmt.Fprintf(r.Out, "go on with: %s\n", refusal.Command("resume", r.dir))
	}
	return nil
}

// show lists batches.
func (r *Recovery) show(title string, waiting []decision.Waiting) {
	if len(waiting) == 0 {
		return
	}
	fmt.Fprintf(r.Out, "%d batches %s\n", len(waiting), title)
	for _, w := range waiting[:min(mostShown, len(waiting))] {
		fmt.Fprintf(r.Out, "  %s  %6d messages  %s\n", w.Reference, w.Messages, w.Code)
	}
	if more := len(waiting) - mostShown; more > 0 {
		fmt.Fprintf(r.Out, "  and %d more, which the report names\n", more)
	}
}

// resolve records a decision.
func (r *Recovery) resolve(result record.Result) (err error) {
	log, err := ledger.Open(r.dir, r.plan)
	if err != nil {
		return runfolder.Unsound(r.dir, err)
	}
	batches, err := decision.Resolve(log, time.Now(), result, r.Reason)
	if e := log.Close(); err == nil {
		err = e
	}
	if err != nil {
		return refusal.New("decision_not_recorded", "cause", err)
	}
	fmt.Fprintf(r.Out, "recorded for %d batches: %s%s, because: %s\ngo on with: %s\n", batches, r.Foreign, r.Held, r.Reason, refusal.Command("resume", r.dir))
	return nil
}
