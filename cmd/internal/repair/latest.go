package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/reconcile"
	"cohort/engine/control"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
)

// latest notes that the folder holds the latest state of the run.
func (d *decider) latest(ctx context.Context) (func() (string, error), error) {
	s := d.run
	if err := s.MayWrite(d.plan, d.ledger); err != nil {
		return nil, err
	}
	why := d.ledger.ShowsLatest(s.RunFolder)
	if why == nil {
		return nil, refusal.New("latest_already_known", "folder", s.RunFolder, "command", refusal.Command("resume", s.RunFolder))
	}
	copied := (*ledger.CopyError)(nil)
	switch {
	case !errors.As(why, &copied):
		return nil, runfolder.Unsound(s.RunFolder, why)
	case copied.Older:
		return nil, register.NotLatest(s.RunFolder, copied)
	}
	last := "no answer"
	if at := d.ledger.Facts().LastAnswer; !at.IsZero() {
		last = "answer at " + at.In(s.Campaign.Pace.Location).Format(time.DateTime+" MST")
	}
	fmt.Fprintf(s.Stdout, "folder     %s: %s\nlast       %s, %d requests\n", s.RunFolder, why, last, d.ledger.Facts().Attempts)
	if d.plan.NeverAgain && !s.Call.Simulate {
		if err := d.askReceipts(ctx); err != nil {
			return nil, err
		}
	}
	return func() (string, error) {
		return "this folder is the latest", s.NoteWitness(d.plan, "by "+control.WhoAmI()+": "+d.Reason)
	}, nil
}

// askReceipts shows how many of the run's messages have a receipt, by fate. It refuses when the
// service has a receipt of a message that the folder never sent.
func (d *decider) askReceipts(ctx context.Context) error {
	s := d.run
	if err := s.Connect(); err != nil {
		return err
	}
	if err := s.Sink.Check(ctx); err != nil {
		return refusal.New("service_check_failed", "cause", err)
	}
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), d.plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	receipts := delivery.NewReceipts(d.plan, s.Log)
	if _, err := reconcile.ReadReceipts(s, ctx, d.plan, nil, receipts); err != nil {
		if end := (*refusal.Ended)(nil); errors.As(err, &end) {
			end.Next = Command(s.RunFolder, d.Decision)
		}
		return err
	}
	of, named, beyond := map[person.Fate]int{}, map[person.Fate]int{}, 0
	for m, err := range delivery.EachMessage(s.RunFolder, d.plan, spool) {
		if err != nil {
			return err
		}
		of[m.Fate]++
		if receipts.Named(m.Row) {
			named[m.Fate]++
			if m.Fate != person.Accepted && m.Fate != person.InDoubt {
				beyond++
			}
		}
	}
	for _, fate := range person.Fates {
		if of[fate] > 0 {
			fmt.Fprintf(s.Stdout, "%-10s %10d, with a receipt %10d\n", fate, of[fate], named[fate])
		}
	}
	if beyond > 0 {
		return register.NotLatest(s.RunFolder, &ledger.CopyError{Why: fmt.Sprintf("the service has receipts of %d messages that it never sent, or has as refused", beyond), Older: true})
	}
	if accepted := of[person.Accepted]; 2*named[person.Accepted] <= accepted {
		s.Log.Warn("the receipts prove little: most are still to come, or this application is not shown them", event.ReceiptsProveLittle, "accepted", accepted, "with_receipt", named[person.Accepted])
	}
	return nil
}
