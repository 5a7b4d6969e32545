package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
)

func logCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Check or show the progress log of a run",
		Long: `The progress log holds what a run knows of itself: every attempt before it is made, and every
answer. These commands read it. They change nothing and do not disturb a run at work. People are
positions in their shard, so the output holds no personal data.

` + showCodes,
	}
	commandline.Choice(c)
	c.AddCommand(verifyCommand(), dumpCommand(), oldStat())
	return c
}
