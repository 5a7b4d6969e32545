package main

import (
	"github.com/spf13/cobra"
)

func logCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Check, show or measure the progress log of a run",
		Long: `The progress log is what a run knows of itself: every attempt before it is made, and every
answer. These commands read it. They change nothing, do not disturb a run at work, and tell
nothing about anybody: people are positions in their shard.

Exit codes:
` + exitCodes,
	}
	choice(c)
	c.AddCommand(verifyCommand(), dumpCommand(), statCommand())
	return c
}
