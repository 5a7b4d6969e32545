package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/status"
)

func runsCommand() *cobra.Command {
	var folder string
	var asJSON bool
	c := &cobra.Command{
		Use:   "runs",
		Short: "List all runs: their state, their account, and what waits for a person",
		Long: `Runs lists the runs in a folder, the newest first, and those elsewhere that their registers know. For
each it shows the state, how many records have each fate, and what waits for a person, with the
command that shows it or goes on. The words of the state are those of cohort status. A run that
cannot be read is listed with the reason.

Runs reads the log of each run once, and disturbs no run at work.

Exit codes: 0 shown; 10 the folder cannot be read.
`,
		Example: `  cohort runs
  cohort runs --runs /srv/cohort/runs --json`,
		Args: commandline.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := status.List(c.Context(), folder)
			if err != nil {
				return err
			}
			return commandline.Show(c, asJSON, all)
		},
	}
	c.Flags().StringVar(&folder, "runs", "runs", "the `folder` of the runs' folders")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}
