package main

import (
	"fmt"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/record"
)

// mostShown is how many batches of a kind are listed.
const mostShown = 20

// decide shows what waits for a person, or records what the person decided.
func (r *recovering) decide(ledger *ledger.Ledger) error {
	d, err := decision.Find(ledger)
	if err != nil {
		return err
	}
	result := map[string]record.Result{"accepted": record.ResultAcceptedUnknown, "in-doubt": record.ResultHeld, "replay": record.ResultReplay}[r.foreign+r.held]
	asked := d.Foreign
	if r.held != "" {
		asked = d.Withheld
	}
	switch {
	case ledger.Facts().Superseded != "" && result != 0:
		return refuse("run %s has taken this run's place; nothing more is sent from here", ledger.Facts().Superseded)
	case result != 0 && len(asked) == 0:
		return refuse("no batch waits for this decision; see: %s", command("recover", r.dir))
	case result != 0:
		return r.resolve(result)
	}
	fmt.Fprintf(r.out, "the log of %s is sound: nothing was changed\n", r.dir)
	printLoss(r.out, ledger)
	r.show("known to the service and never sent by this run's log; find out who sent them, then: "+command("recover", r.dir, "--foreign", "accepted|in-doubt", "--reason", "…"), d.Foreign)
	r.show("held, since a lost log alone knew whether they were sent, and people of them are listed since; to send them as they are: "+command("recover", r.dir, "--held", "replay", "--reason", "…"), d.Withheld)
	held := "held in doubt: they may have been accepted, and no replay can settle them"
	if r.plan.Kind() == engine.CanBeAsked {
		held += "; what the service's receipts name is settled by: " + command("reconcile", r.dir)
	}
	r.show(held, d.Held)
	r.show("with people who were listed when their messages had been attempted (reason code listed_too_late in the report)", d.Late)
	if live, _, _ := ledger.Unsettled(); live > 0 && len(d.Foreign) == 0 && ledger.Facts().Superseded == "" {
		fmt.Fprintf(r.out, "go on with: %s\n", command("resume", r.dir))
	}
	return nil
}

// show lists batches.
func (r *recovering) show(title string, waiting []decision.Waiting) {
	if len(waiting) == 0 {
		return
	}
	fmt.Fprintf(r.out, "%d batches %s\n", len(waiting), title)
	for _, w := range waiting[:min(mostShown, len(waiting))] {
		fmt.Fprintf(r.out, "  %s  %6d messages  %s\n", w.Reference, w.Messages, w.Code)
	}
	if more := len(waiting) - mostShown; more > 0 {
		fmt.Fprintf(r.out, "  and %d more, which the report names\n", more)
	}
}

// resolve records a decision.
func (r *recovering) resolve(result record.Result) (err error) {
	log, err := ledger.Open(r.dir, r.plan)
	if err != nil {
		return unsound(r.dir, err)
	}
	batches, err := decision.Resolve(log, time.Now(), result, r.reason)
	if e := log.Close(); err == nil {
		err = e
	}
	if err != nil {
		return refuse("the decision could not be recorded: %w", err)
	}
	fmt.Fprintf(r.out, "recorded for %d batches: %s%s, because: %s\ngo on with: %s\n", batches, r.foreign, r.held, r.reason, command("resume", r.dir))
	return nil
}
