package reconcile

import (
	"context"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/sinks/delivery"
	"cohort/sinks/file"
)

// dailyReports reads the daily reports about a run's upload. It changes nothing before it has read all
// files to their end.
func dailyReports(s *run.Runner, ctx context.Context, d *delivery.Run, folded *ledger.Ledger, o *Options) error {
	switch {
	case s.Campaign.File.Mesh == nil:
		return refusal.New("letters_not_reported")
	case len(o.daily) == 0:
		return refusal.New("daily_report_not_named", "command", refusal.Command("reconcile", s.Folder.Path, "--daily-report", "FILE"))
	}
	refused, err := refusedUploads(s, folded)
	if err != nil {
		return err
	}
	if refused != nil {
		for m, err := range delivery.EachMessage(d.Dir, d.Plan, d.Spool) {
			if err != nil {
				return err
			}
			refused.Mark(&m)
		}
	}
	news, err := d.Learn()
	if err != nil {
		return err
	}
	defer news.Close()
	rows, strangers, now := 0, int64(0), time.Now()
	err = delivery.EachDailyRow(o.daily, func(r *file.DailyRow) error {
		rows++
		row, ours := d.Facts.Row(r.Reference)
		if !ours {
			strangers++
			return nil
		}
		if refused != nil {
			refused.See(row, r)
		}
		for _, e := range delivery.DailyEvents(r, now) {
			news.Add(row, &e)
		}
		return nil
	})
	if err != nil {
		return refusal.New("daily_report_unreadable", "cause", err)
	}
	if refused != nil {
		if err := recordTaken(s, d, refused); err != nil {
			return err
		}
		if folded, err = ledger.Read(s.Folder.Path, d.Plan); err != nil {
			return runfolder.Unsound(s.Folder.Path, err)
		}
	}
	if err := news.Save(ctx); err != nil {
		return refusal.New("delivery_unwritable", "cause", err)
	}
	if err := heard(s, d, folded); err != nil {
		return err
	}
	s.Log.Info("the daily reports were read", event.DailyReportsRead, "files", len(o.daily), "rows", rows, "of_other_uploads", strangers)
	sum, err := tell(s, d, folded, o, func(sum *delivery.Summary) { sum.Strangers = strangers })
	if err != nil {
		return err
	}
	if sum.Twice > 0 {
		s.Log.Error("the service has taken messages twice: was an upload handed over twice?", event.TakenTwice, "messages", sum.Twice)
	}
	if refused == nil || len(refused.Taken) == 0 {
		return nil
	}
	return &refusal.Ended{Err: refusal.New("upload_contradicted"), Code: refusal.ExitInDoubt, Next: refusal.Command("status", s.Folder.Path)}
}
