package repair

import (
	"context"
	"fmt"
	"io"
	"time"

	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

// batches decides about batches that no replay settles by itself. The service holds a foreign batch,
// though this run's log never sent it. A recovery withholds a batch because a list names its people.
func batches(result record.Result) func(*decider, context.Context) (func() (string, error), error) {
	return func(d *decider, _ context.Context) (func() (string, error), error) {
		if err := d.run.MayDecide(d.plan, d.ledger); err != nil {
			return nil, err
		}
		all, err := decision.Find(d.ledger)
		if err != nil {
			return nil, err
		}
		waiting := all.Foreign
		if result == record.ResultReplay {
			waiting = all.Withheld
		}
		if len(waiting) == 0 {
			return nil, refusal.New("no_batch_to_decide", "command", refusal.Command("decide", d.run.Folder.Path))
		}
		list(d.run.Stdout, "batches to decide about", waiting)
		return func() (done string, err error) {
			return fmt.Sprintf("%d batches, %s", len(waiting), d.What), d.inLog(func(log *ledger.Log) error {
				_, err := decision.Resolve(log, time.Now(), result, d.Reason)
				return err
			})
		}, nil
	}
}

// mostListed limits the batches of a kind in a list.
const mostListed = 20

func list(out io.Writer, title string, waiting []decision.Waiting) {
	fmt.Fprintf(out, "%d %s\n", len(waiting), title)
	for _, w := range waiting[:min(mostListed, len(waiting))] {
		fmt.Fprintf(out, "  %s  %6d messages  %s\n", w.Reference, w.Messages, w.Code)
	}
	if more := len(waiting) - mostListed; more > 0 {
		fmt.Fprintf(out, "  and %d more, which the report names\n", more)
	}
}
