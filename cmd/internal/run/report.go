package run

import (
	"io"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/output"
	"cohort/engine/build"
	"cohort/engine/dispatch"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// report writes the report and the rejects.
func (r *Runner) report(plan *plan.Plan, spool *shard.Spool, folded *ledger.Ledger, summary dispatch.Summary) error {
	if summary.Account.Fates[person.Suppressed] > plan.Static[string(person.Suppressed)] { // lists have named people since
		if err := intake.WriteRejectsNow(r.Folder.Path, plan, folded, spool); err != nil {
			return err
		}
	}
	of := Report{Dir: r.Folder.Path, Plan: plan, Ledger: folded, Spool: spool}
	return output.WriteTo(r.Folder.File(runfolder.ReportFile), func(w io.Writer) error { return of.Write(report.Parquet(w)) })
}

// Report is a run as its reports see it.
type Report struct {
	Dir    string // the run's folder
	Plan   *plan.Plan
	Ledger *ledger.Ledger // nil: Write reads the log
	Spool  *shard.Spool
	AsOf   time.Time     // zero: without what the service said of the messages
	Only   []person.Fate // empty: all records
}

// Write reads the run's records once, and writes the outputs.
func (r *Report) Write(outputs ...report.Output) (err error) {
	limitMemory()
	if r.Ledger == nil {
		if r.Ledger, err = runfolder.Ledger(r.Dir, r.Plan); err != nil {
			return err
		}
	}
	outcomes, err := outcome.Open(r.Dir, r.Plan, r.Ledger)
	if err != nil {
		return err
	}
	defer func() { _ = outcomes.Close() }()
	records, err := r.Spool.Ranges()
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	account := r.Ledger.Account()
	in := report.Input{
		Plan: r.Plan, Account: account, Events: r.Ledger.Facts().Events, Trail: outcomes, Records: records, Version: build.Version(),
		Complete: account.Fates[person.NotSent] == 0 && account.Fates[person.InDoubt] == 0, AsOf: r.AsOf, Only: r.Only,
	}
	if !r.AsOf.IsZero() && facts.Any(r.Dir) {
		states, err := facts.Of(r.Dir, r.Plan).States(r.Dir)
		if err != nil {
			return err
		}
		defer func() { _ = states.Close() }()
		in.States = states.All()
	}
	return report.Write(in, outputs...)
}
