package repair

import (
	"fmt"
	"io"
	"slices"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Show prints the open decisions of the run in a folder, and the command for each. It changes
// nothing, and a run at work goes on undisturbed.
func Show(out io.Writer, path string, now time.Time) error {
	dir, planned, err := run.OpenRun(path)
	if err != nil {
		return err
	}
	defer func() { _ = planned.Close() }()
	folded, err := runfolder.Ledger(dir, planned)
	if err != nil {
		return err
	}
	return (&waiting{out, dir, planned, folded}).show(now)
}

// waiting shows what waits for a person in a run.
type waiting struct {
	out    io.Writer
	dir    string
	plan   *plan.Plan
	ledger *ledger.Ledger
}

func (w *waiting) show(now time.Time) error {
	run.PrintLoss(w.out, w.ledger)
	if by := w.ledger.Facts().Superseded; by != "" {
		fmt.Fprintf(w.out, "nothing can be decided here: run %s has taken this run's place\n", by)
		return nil
	}
	all, err := decision.Find(w.ledger)
	if err != nil {
		return err
	}
	shown := w.batches("batches that the service holds and this run's log never sent; find out who sent them, then one of", all.Foreign, "foreign accepted", "foreign in-doubt")
	shown = w.batches("batches held: only a lost log knew whether they were sent, and a list names people of them since; to send them as they are", all.Withheld, "held replay") || shown
	shown = w.inDoubt(all.Held, now) || shown
	run.PrintBlocked(w.out, "", 0, w.ledger.CountContradicted())
	w.batches("batches with people who were listed when their messages had been attempted (listed_too_late in the report)", all.Late)
	if refused := decision.RetryCandidates(w.ledger, nil); refused.Sum().Again > 0 && w.ledger.Facts().Hold == "" {
		showRefused(w.out, refused)
		w.commands("when the cause is fixed, to send them again", "refused again")
		shown = true
	}
	live, _, _ := w.ledger.Unsettled()
	if w.plan.NeverAgain && live > 0 && w.ledger.ShowsLatest(w.dir) != nil {
		w.commands("the folder may be a copy; if the run did not go on elsewhere", "latest")
		shown = true
	}
	if !shown {
		fmt.Fprintln(w.out, "nothing waits for a decision")
	}
	if tooOld := w.plan.Forgotten(now) > 0 && w.ledger.Settleable() > 0; live > 0 && len(all.Foreign) == 0 && !tooOld {
		fmt.Fprintf(w.out, "go on with: %s\n", refusal.Command("resume", w.dir))
	}
	return nil
}

// batches lists batches and the decisions about them. It reports whether there are any.
func (w *waiting) batches(title string, of []decision.Waiting, decisions ...string) bool {
	if len(of) == 0 {
		return false
	}
	list(w.out, title, of)
	w.commands("", decisions...)
	return true
}

func (w *waiting) commands(title string, decisions ...string) {
	if title != "" {
		fmt.Fprintln(w.out, title+":")
	}
	for _, d := range decisions {
		fmt.Fprintln(w.out, "  "+Command(w.dir, Decision{What: d}))
	}
}

// inDoubt lists the batches that no replay settles. It reports whether a person can decide about
// any: where a service knows references they stay in doubt for good.
func (w *waiting) inDoubt(held []decision.Waiting, now time.Time) bool {
	days, settleable := w.plan.Forgotten(now), w.ledger.Settleable()
	switch {
	case days > 0 && settleable > 0:
		fmt.Fprintf(w.out, "%d messages stay in doubt for good: the plan is %d days old, and no replay can settle them; the report names them: %s\n", settleable, days, refusal.Command("report", w.dir))
	case settleable > 0:
		fmt.Fprintf(w.out, "%d messages are in doubt, and a replay settles them: %s\n", settleable, refusal.Command("resume", w.dir, "--settle"))
	}
	switch {
	case len(held) == 0:
		return false
	case !w.plan.NeverAgain:
		list(w.out, "batches held in doubt: they may have been accepted, and no replay can settle them. They stay so, and the report names them", held)
		return false
	}
	list(w.out, "messages in doubt: they may have been accepted", held)
	fmt.Fprintf(w.out, "to settle those that the service's receipts name:\n  %s\n", refusal.Command("reconcile", w.dir))
	known := func(h decision.Waiting) bool { return h.Code != ledger.CodeLogLost }
	if w.ledger.Facts().Hold != "" || !slices.ContainsFunc(held, known) {
		fmt.Fprintln(w.out, "the others stay in doubt for good: only a lost log knew whether they were sent")
		return false
	}
	w.commands("to have the others sent again, though people may get them twice", "in-doubt again")
	return true
}
