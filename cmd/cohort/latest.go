package main

import (
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/repair"
	"cohort/engine/control"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func decideCommand() *cobra.Command {
	var d repair.Latest
	c := &cobra.Command{
		Use:   "decide DIR latest --reason TEXT [--dry-run]",
		Short: "Decide what cohort cannot know about a run",
		Long: `Decide records a person's decision in a run's log. It sends nothing: the next resume does.

  latest   this folder is the latest state of the run

A send to the NHS App asks for it when the folder is a copy, or a backup was put in its place.
If the run went on after that copy was made, the people it reached since would get the message
twice. Decide first reads the service's receipts and shows them. It refuses when a receipt names
a message that this folder never sent. Receipts come late, so a missing one proves nothing: say
latest only if you know that the run did not go on elsewhere.

Exit codes: 0 recorded, or shown with --dry-run; 10 refused, nothing was changed.`,
		Example: `  cohort decide runs/winter-2026-11-1a2b3c4d latest --reason "moved here from the old server"`,
		Args:    arguments(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) (err error) {
			switch {
			case args[1] != "latest":
				return refusal.New("no_such_decision", "decision", args[1])
			case !d.DryRun && strings.TrimSpace(d.Reason) == "":
				return refusal.New("latest_without_reason")
			}
			if err := control.CheckReason(d.Reason); err != nil {
				return err
			}
			if d.RunFolder, d.Call, err = runfolder.Find(args[0]); err != nil {
				return err
			}
			d.Open(c)
			return d.Run(c.Context())
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "how you know it, in words without personal data; it is recorded")
	c.Flags().BoolVar(&d.DryRun, "dry-run", false, "show what the service's receipts say, and change nothing")
	c.Flags().BoolVar(&d.Network, "allow-network-folder", false, networkHelp)
	return c
}
