package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"cohort/engine/refusal"
)

func reportCommand() *cobra.Command {
	var out string
	var force bool
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the outcome report of a run, at any moment",
		Long: `Report writes the outcome report: a Parquet file with one row for every record of the
cohort file. It may be called while the run is at work, which it does not disturb; the
file's metadata then says complete = false.

Exit codes:
` + exitCodes,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := absolute(args[0])
			if err != nil {
				return err
			}
			call, err := readCall(dir)
			if err != nil {
				return err
			}
			plan, err := planned(dir)
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			spool, err := openSpool(filepath.Join(dir, spoolFolder), plan)
			if err != nil {
				return err
			}
			defer func() { _ = spool.Close() }()
			if out == "" {
				out = filepath.Join(dir, reportFile)
			} else if err := keepInputs(out, reportInputs(dir, call, plan)); err != nil {
				return err
			} else if err := claim(out, force || same(out, filepath.Join(dir, reportFile)), ""); err != nil {
				return err
			}
			if err := writeReport(out, dir, plan, spool); err != nil {
				return refusal.New("%w", err)
			}
			if isFile(out) { // what goes to a pipe is not mixed with its name
				fmt.Fprintln(c.OutOrStdout(), out)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, forceHelp)
	c.Flags().StringVarP(&out, "output", "o", "", "the report's `file` (default: report.parquet in the run's folder)")
	return c
}
