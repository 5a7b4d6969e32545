package reconcile

import (
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
	"cohort/sinks/file"
)

// dailyReports reads the daily reports about a run's upload. It reads the files twice, and changes
// nothing before it has read all of them to their end.
func dailyReports(s *run.Runner, d *delivery.Facts, folded *ledger.Ledger, o *Options) error {
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
	rows := 0
	if err := delivery.EachDailyRow(o.daily, func(*file.DailyRow) error { rows++; return nil }); err != nil {
		return refusal.New("daily_report_unreadable", "cause", err)
	}
	f := delivery.NewDailyReports(d.Plan, time.Now().Truncate(time.Millisecond))
	for m, err := range delivery.EachMessage(d.Dir, d.Plan, d.Spool) {
		if err != nil {
			return err
		}
		f.Sent[m.Row-1] = m.Fate == person.Accepted
		refused.Mark(f, &m)
	}
	for known, err := range d.All() { // the reports of other days
		if err != nil {
			return err
		}
		if known.Origin == report.OfDaily && known.MessageID != "" && known.Row <= d.Plan.Records {
			f.IDs[known.Row-1] = delivery.ShortHash(known.MessageID)
		}
	}
	if refused != nil {
		if err := delivery.EachDailyRow(o.daily, func(r *file.DailyRow) error { refused.See(f, r); return nil }); err != nil {
			return refusal.New("daily_report_unreadable", "cause", err)
		}
		if err := recordTaken(s, d, refused); err != nil {
			return err
		}
		if folded, err = ledger.Read(s.Folder.Path, d.Plan); err != nil {
			return runfolder.Unsound(s.Folder.Path, err)
		}
	}
	err = delivery.EachDailyRow(o.daily, func(r *file.DailyRow) error {
		f.Add(r)
		if len(f.Facts) < delivery.FactsAtOnce {
			return nil
		}
		_, err := d.Add(f.Take(), time.Time{})
		return err
	})
	if err != nil && refusal.Code(err) == "" {
		err = refusal.New("daily_report_failed", "cause", err)
	}
	if err != nil {
		return err
	}
	statuses, err := d.Add(f.Take(), time.Time{})
	if err != nil {
		return err
	}
	if len(f.Twice) > 0 {
		s.Log.Error("the service has taken messages twice: was an upload handed over twice?", "messages", len(f.Twice))
	}
	if f.Unsent > 0 {
		s.Log.Error("the reports have rows about records of this run that were never uploaded: find out who has sent to them", "rows", f.Unsent)
	}
	s.Log.Info("the daily reports were read", "files", len(o.daily), "rows", rows, "of_other_uploads", f.Strangers)
	sum := d.Summary(folded.Account(), statuses)
	sum.Strangers, sum.Unsent, sum.Twice, sum.Taken = f.Strangers, f.Unsent, int64(len(f.Twice)), f.Taken
	if err := tell(s, s.Stdout, d, sum, o); err != nil || refused == nil || len(refused.Taken) == 0 {
		return err
	}
	return &refusal.Ended{Err: refusal.New("upload_contradicted"), Code: refusal.ExitInDoubt, Next: refusal.Command("status", s.Folder.Path)}
}
