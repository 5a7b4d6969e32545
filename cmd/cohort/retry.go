package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/repair"
)

func retryCommand() *cobra.Command {
	r := &repair.Retry{}
	c := &cobra.Command{
		Use:   "retry DIR --refused --reason TEXT [--code CODE]...",
		Short: "Have refused messages of a run sent again, when a person has mended the cause",
		Long: `Retry is for messages that the service has refused for a cause that is mended by now: a
template, a routing plan, a rule of the account. It shows how many there are by their reason
code, makes new batches of them under references of their own, and notes in the run's log who
has decided so and why. It sends nothing: the next resume does.

Nobody who was accepted, or may have been, is in these batches. What is sent is what was
planned: a mistake in the cohort's own data is mended by a corrected file and --new-cohort.

Two kinds of refused messages are left as they are, and counted:
  listed   a suppression list has named the person since; suppression is never taken back
  unsure   a request that held them went unanswered before another was refused. It may have
           come in since the cause was mended, and they may have been sent to by it. Or NHS
           Notify has refused their upload, and its daily reports name messages of it
The lists are read again before anything is sent, and leave out whom they name by then.

Exit codes: 0 they will be sent again (or would be, with --dry-run); 10 none will, and why.`,
		Example: `  cohort retry runs/winter-2026-11-1a2b3c4d --refused --dry-run
  cohort retry runs/winter-2026-11-1a2b3c4d --refused --code CM_INVALID_VALUE --reason "the template takes long names now"`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			r.Out, r.Log = c.OutOrStdout(), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return r.Run(args[0])
		},
	}
	f := c.Flags()
	f.BoolVar(&r.Refused, "refused", false, "the messages that the service has refused")
	f.StringSliceVar(&r.Codes, "code", nil, "only those with this reason `code` in the report; may be repeated")
	f.StringVar(&r.Reason, "reason", "", "what was wrong and is mended, in words without personal data; it is recorded")
	f.BoolVar(&r.DryRun, "dry-run", false, "show what would be sent again, and change nothing")
	f.BoolVar(&r.Network, "allow-network-folder", false, networkHelp)
	return c
}
