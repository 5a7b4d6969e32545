package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/campaign"
	"cohort/engine/control"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
)

// decision is one call of decide.
//
//	hold the folder ─▶ is anything asked? ─▶ receipts ─▶ show ─▶ control record
type Latest struct {
	run.Runner
	Reason string
	DryRun bool
}

func (d *Latest) Run(ctx context.Context) (err error) {
	plan, err := runfolder.Plan(d.RunFolder)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	if d.Campaign, _, _, err = runfolder.ReadCampaign(d.RunFolder, d.Call); err != nil {
		return err
	}
	if err := campaign.Compare(plan.Frozen, d.Campaign.Frozen()); err != nil {
		if changed := runfolder.PlanChanged(d.RunFolder, plan); changed != nil {
			return changed
		}
		return refusal.New("setting_changed", "cause", err)
	}
	d.Call.Simulate = plan.Service == d.Campaign.ServiceID(true)
	if d.Folder, err = runfolder.Hold(d.RunFolder, "decide", d.Network, d.Log); err != nil {
		return err
	}
	defer d.Folder.Release()
	defer d.End()
	folded, err := ledger.Read(d.RunFolder, plan)
	if err != nil {
		return runfolder.Unsound(d.RunFolder, err)
	}
	if err := d.MayWrite(plan, folded); err != nil {
		return err
	}
	why := folded.ShowsLatest(d.RunFolder)
	if why == nil {
		return refusal.New("latest_already_known", "folder", d.RunFolder, "command", refusal.Command("resume", d.RunFolder))
	}
	if copied := (*ledger.CopyError)(nil); !errors.As(why, &copied) || copied.Older {
		return earlier.AskLatest(d.RunFolder, why)
	}
	fmt.Fprintf(d.Stdout, "folder     %s: %s\nlast       answer at %s, %d requests\n", d.RunFolder, why, folded.Facts().LastAnswer.In(d.Campaign.Pace.Location).Format(time.DateTime+" MST"), folded.Facts().Attempts)
	if plan.NeverAgain && !d.Call.Simulate {
		if err := d.show(ctx, plan); err != nil {
			return err
		}
	}
	if d.DryRun {
		fmt.Fprintln(d.Stdout, "nothing was changed (--dry-run)")
		return nil
	}
	if err := d.NoteWitness(plan, "by "+control.WhoAmI()+": "+d.Reason); err != nil {
		return err
	}
	fmt.Fprintf(d.Stdout, "recorded: this folder is the latest, because: %s\ngo on with: %s\n", d.Reason, refusal.Command("resume", d.RunFolder))
	return nil
}

// show shows what the folder says of the run's messages, and how many of them the service has a
// receipt of. It refuses when the service has more than the folder has sent.
func (d *Latest) show(ctx context.Context, plan *plan.Plan) error {
	if err := d.Connect(); err != nil {
		return err
	}
	if err := d.Sink.Check(ctx); err != nil {
		return refusal.New("service_check_failed", "cause", err)
	}
	spool, err := cohortspool.Open(d.Folder.File(runfolder.SpoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	receipts := delivery.NewReceipts(plan, d.Log)
	if _, err := reconcile.ReadReceipts(&d.Runner, ctx, plan, nil, receipts); err != nil {
		if end := (*refusal.Ended)(nil); errors.As(err, &end) {
			end.Next = refusal.Command("decide", d.RunFolder, "latest", "--reason", d.Reason)
		}
		return err
	}
	of, named, beyond := map[person.Fate]int{}, map[person.Fate]int{}, 0
	for m, err := range delivery.EachMessage(d.RunFolder, plan, spool) {
		if err != nil {
			return err
		}
		of[m.Fate]++
		if receipts.Rank(m.Row-1) >= 0 {
			named[m.Fate]++
			if m.Fate != person.Accepted && m.Fate != person.InDoubt {
				beyond++
			}
		}
	}
	for _, fate := range person.Fates {
		if of[fate] > 0 {
			fmt.Fprintf(d.Stdout, "%-10s %10d, with a receipt %10d\n", fate, of[fate], named[fate])
		}
	}
	if beyond > 0 {
		return earlier.AskLatest(d.RunFolder, &ledger.CopyError{Why: fmt.Sprintf("the service has receipts of %d messages that it never sent, or has as refused", beyond), Older: true})
	}
	if accepted := of[person.Accepted]; 2*named[person.Accepted] <= accepted {
		d.Log.Warn("the receipts prove little: most are still to come, or this application is not shown them", "accepted", accepted, "with_receipt", named[person.Accepted])
	}
	return nil
}
