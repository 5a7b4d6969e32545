package run

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/terminal"
	"cohort/engine/build"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// printAccount prints what became of every record, and that it adds up.
func printAccount(w io.Writer, plan *plan.Plan, a ledger.Account, routes []ledger.RouteAccount, listedLate int) {
	fmt.Fprintf(w, "\n%s, run %s, %s\n", plan.Campaign, plan.Run.Short(), plan.Service)
	fmt.Fprintf(w, "  %-12s %12d\n", "records", a.Records)
	terminal.PrintFates(w, "  ", a, false)
	intake.PrintRoutes(w, "  ", routes, a)
	if listedLate > 0 {
		fmt.Fprintln(w, "  "+TooLate(listedLate))
	}
}

// tooLate says that people were listed when their messages had been attempted.
func TooLate(people int) string {
	return fmt.Sprintf("%d people were named by a suppression list when their messages had been attempted already (listed_too_late in the report)", people)
}

// writeReport writes the outcome report of the run in dir to path, as things stand.
func WriteReport(path, dir string, plan *plan.Plan, spool *shard.Spool) error {
	trail, ledger, err := runfolder.OpenTrail(dir, plan)
	if err != nil {
		return err
	}
	defer func() { _ = trail.Close() }()
	records, err := spool.Ranges()
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	account := ledger.Account()
	return output.WriteTo(path, func(w io.Writer) error {
		return report.Encode(w, report.Input{
			Plan: plan, Account: account, Events: ledger.Facts().Events, Trail: trail, Records: records, Version: build.Version(),
			Complete: account.Fates[person.NotSent] == 0 && account.Fates[person.InDoubt] == 0,
		})
	})
}

// reportIsCurrent reports whether the report in a run's folder is younger than the last
// record of its log, so that it need not be written again.
func reportIsCurrent(dir string) bool {
	report, err := os.Stat(filepath.Join(dir, runfolder.ReportFile))
	if err != nil {
		return false
	}
	segments, err := os.ReadDir(filepath.Join(dir, "log"))
	for _, segment := range segments {
		info, e := segment.Info()
		if e != nil || !report.ModTime().After(info.ModTime()) {
			return false
		}
	}
	return err == nil && len(segments) > 0
}
