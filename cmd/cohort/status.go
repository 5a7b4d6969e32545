package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/status"
	"cohort/engine/runfolder"
)

func statusCommand() *cobra.Command {
	var asJSON, watching bool
	c := &cobra.Command{
		Use:   "status DIR",
		Short: "Show the state of a run, while it runs or after",
		Long: `Status reads the progress log and counts the fates. It does not disturb a run at work. Requests
under way count as in doubt until they are answered.

` + showCodes,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, _, err := runfolder.Find(args[0])
			if err != nil {
				return err
			}
			if watching {
				return status.Watch(c.Context(), dir, asJSON, c.OutOrStdout())
			}
			s, err := status.Read(c.Context(), dir)
			if err != nil {
				return err
			}
			return commandline.Show(c, asJSON, s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	c.Flags().BoolVar(&watching, "watch", false, "show it every second, until Ctrl-C or until no process is at work")
	return c
}
