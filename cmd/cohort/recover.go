package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/repair"
	"cohort/cmd/internal/run"
)

func recoverCommand() *cobra.Command {
	r := &repair.Recovery{}
	c := &cobra.Command{
		Use:   "recover DIR",
		Short: "Go on without a log that is lost or damaged, and decide what no replay can",
		Long: `Recover is for the run of a folder from which nothing can be sent any more.

When the progress log is lost or damaged, it is put aside under another name (never
deleted), and a new one begins in which every batch may have been sent already, in its
newest form. Then resume replays each batch under its own reference: what the service had it
says so, and what it never had it takes now. That costs time and no second letter. In the
report the ids of what was accepted before are not known. Without the second copy of the
revisions (the folder revisions) nothing may be replayed, and everything stays in doubt.

Where suppression lists name people since the cohort was planned, their batches are held:
the service may never have had them. --held replay sends them as they are.

When the log is sound recover changes nothing without a flag, and shows the batches that
wait for a decision, and those of which people were listed too late.

  --foreign accepted   what the service holds under references of this run, though its log
                       never sent it, was this run's: it counts as accepted, ids not known
  --foreign in-doubt   nobody can say whose it was: those batches stay in doubt
  --held replay        send the held batches of a recovered run with everybody in them

Each needs a --reason, which is recorded. Resume then goes on.

Exit codes: 0 done; 10 refused, and nothing was changed; 1 a defect in cohort.`,
		Example: `  cohort recover runs/winter-2026-11-1a2b3c4d
  cohort recover runs/winter-2026-11-1a2b3c4d --foreign accepted --reason "sent from the old server, as its log shows"`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			r.Clock = run.ClockOf(c.Context())
			r.Out, r.Log = c.OutOrStdout(), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return r.Run(args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&r.Foreign, "foreign", "", "what the batches are that the service holds and this log never sent: `accepted or in-doubt`")
	f.StringVar(&r.Held, "held", "", "what to do with the batches that are held because people of them are listed: `replay`")
	f.StringVar(&r.Reason, "reason", "", "why that was decided, in words without personal data; it is recorded")
	f.BoolVar(&r.OneApplication, "one-application", false, "every API key that the run was sent with belongs to the application of the present one; asked for where that is not known")
	f.BoolVar(&r.Network, "allow-network-folder", false, networkHelp)
	return c
}
