package reconcile

import (
	"errors"
	"io"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/shard"
	"cohort/sinks/delivery"
)

// received saves the facts of the NHS App's receipts, and prints them after the run's account.
func received(s *run.Runner, plan *plan.Plan, spool *shard.Spool, ledger *ledger.Ledger, r *delivery.Receipts, o *Options, stands func() error) error {
	d := &delivery.Facts{Dir: s.Folder.Path, Plan: plan, Spool: spool}
	statuses, failed := d.Add(r.Facts(delivery.EachMessage(s.Folder.Path, plan, spool), time.Now().Truncate(time.Millisecond)), time.Time{})
	out := s.Stdout
	if o.json {
		s.Stdout = io.Discard
	}
	err := stands()
	switch {
	case failed == nil:
		sum := d.Summary(ledger.Account(), statuses)
		sum.Twice = int64(len(r.Twice))
		return errors.Join(err, tell(s, out, d, sum, o))
	case err != nil:
		s.Log.Error(failed.Error())
		return err
	}
	return &refusal.Ended{Err: failed, Code: refusal.ExitStopped, Next: s.Asks()} // what the receipts settled stays settled
}
