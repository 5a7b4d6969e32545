package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/repair"
	"cohort/cmd/internal/run"
)

func recoverCommand() *cobra.Command {
	r := &repair.Recovery{}
	var renamed func(dir string) error
	c := &cobra.Command{
		Use:   "recover DIR",
		Short: "Go on without a progress log that is lost or damaged",
		Long: `Recover puts a lost or damaged progress log aside under another name. It never deletes it. It
begins a new log, by which every batch may have been sent already, in its newest form. Then
resume replays each batch under its own reference, and NHS Notify says which ones it had. That
costs time and no second message. In the report, the ids of messages accepted before are not
known. Without the second copy of the revisions (the folder revisions) nothing may be replayed,
and everything stays in doubt.

If a suppression list names somebody in a batch since the cohort was planned, the batch is held:
the service may never have had it. cohort decide DIR held replay sends it.

If the log is sound, recover changes nothing, and shows what needs a decision.

Exit codes: 0 done; 10 refused, and nothing was changed; 1 a defect in cohort.`,
		Example: `  cohort recover runs/winter-2026-11-1a2b3c4d`,
		Args:    commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := renamed(args[0]); err != nil {
				return err
			}
			r.Clock = run.ClockOf(c.Context())
			r.Out, r.Log = c.OutOrStdout(), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return r.Run(args[0])
		},
	}
	renamed = oldRecover(c)
	c.Flags().BoolVar(&r.OneApplication, "one-application", false, oneApplicationHelp)
	c.Flags().BoolVar(&r.Network, "allow-network-folder", false, networkHelp)
	return c
}

const oneApplicationHelp = "every API key that the run was sent with belongs to the application of the present one"
