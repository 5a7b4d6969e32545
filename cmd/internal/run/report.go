package run

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"cohort/cmd/internal/reports"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/output"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// report writes the report and the rejects. Of a finished run it records the report's digest, and then leaves a report
// with this digest alone. log is the log of folded, or nil to read it.
func (r *Runner) report(plan *plan.Plan, spool *shard.Spool, folded *ledger.Ledger, log *ledger.Folded, summary dispatch.Summary) error {
	path, known := r.Folder.File(runfolder.ReportFile), folded.Facts().Reported
	if known != "" {
		problem := reports.Compare(path, known)
		if problem == nil {
			return nil
		}
		r.Log.Warn("the report of this finished run is written again", event.ReportAgain, "problem", problem.Error())
	}
	if summary.Account.Fates[person.Suppressed] > plan.Static[string(person.Suppressed)] { // lists have named people since
		if err := intake.WriteRejectsNow(r.Folder.Path, plan, folded, spool); err != nil {
			return err
		}
	}
	hash := sha256.New()
	of := reports.Report{Dir: r.Folder.Path, Plan: plan, Ledger: folded, Spool: spool, Log: r.Log}
	err := output.WriteTo(path, func(w io.Writer) error { return of.Write(report.Parquet(io.MultiWriter(w, hash))) })
	digest := hex.EncodeToString(hash.Sum(nil))
	if err != nil || !folded.Facts().Closed || digest == known {
		return err
	}
	record := func(log *ledger.Log) error { return log.Control(time.Now(), record.ControlReported, digest) }
	if log == nil {
		return runfolder.WithLog(r.Folder.Path, plan, record)
	}
	opened, err := log.Open()
	if err != nil {
		return err
	}
	return errors.Join(record(opened), opened.Close())
}
