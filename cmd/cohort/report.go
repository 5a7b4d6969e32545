package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/run"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
)

func reportCommand() *cobra.Command {
	var out string
	var force bool
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the outcome report of a run, at any moment",
		Long: `Report writes the outcome report: a Parquet file with one row for each record of the cohort.
It does not disturb a run at work. The file's metadata then has complete = false.

` + showCodes,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, call, err := runfolder.Find(args[0])
			if err != nil {
				return err
			}
			plan, err := runfolder.Plan(dir)
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			spool, err := cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), plan)
			if err != nil {
				return err
			}
			defer func() { _ = spool.Close() }()
			if out == "" {
				out = filepath.Join(dir, runfolder.ReportFile)
			} else if err := output.KeepInputs(out, output.ReportInputs(dir, call, plan)); err != nil {
				return err
			} else if err := output.Claim(out, force || runfolder.Same(out, filepath.Join(dir, runfolder.ReportFile)), ""); err != nil {
				return err
			}
			of := run.Report{Dir: dir, Plan: plan, Spool: spool, AsOf: time.Now()}
			err = output.WriteTo(out, func(w io.Writer) error { return of.Write(report.Parquet(w)) })
			if refusal.Code(err) != "" {
				return err
			} else if err != nil {
				return refusal.New("report_not_written", "cause", err)
			}
			if output.IsFile(out) { // a pipe gets the report only, without a name
				fmt.Fprintln(c.OutOrStdout(), out)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, output.ForceHelp)
	c.Flags().StringVarP(&out, "output", "o", "", "the report's `file` (default: report.parquet in the run's folder)")
	return c
}
