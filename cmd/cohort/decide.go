package main

import (
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/repair"
	"cohort/cmd/internal/run"
	"cohort/engine/runfolder"
)

func decideCommand() *cobra.Command {
	var (
		d repair.Decision
		s run.Runner
	)
	c := &cobra.Command{
		Use:   "decide DIR [DECISION] [--reason TEXT] [--dry-run]",
		Short: "Decide what cohort cannot know about a run",
		Long: `Decide records a person's decision in a run's log, with who made it and why. It sends nothing:
the next resume does. Without a decision it shows what needs one, and the command for each.

  refused again      send the messages again that the service refused
  in-doubt again     send the messages in doubt again that no receipt names (NHS App)
  foreign accepted   the batches that the service holds and this log never sent are this run's:
                     they count as accepted, without ids. Nothing of them is sent
  foreign in-doubt   nobody can say who sent those batches: they stay in doubt
  held replay        send the batches that a recovery holds because of listed people, as they are
  latest             this folder is the latest state of the run

refused again is for a cause that is fixed by now, such as a template or a routing plan. What is
sent is what was planned. Nobody who was accepted, or may have been, is sent to. Three kinds of
messages are left as they are, and counted: of people that a suppression list has named since
(listed), of requests that may have been accepted after all (unsure), and those that the service
reports about (contradicted).

in-doubt again first reads the receipts. A person whose receipt was lost gets the message twice,
so it is refused until receipts have had time to come, on the second day after the last attempt,
and where a missing receipt proves nothing.

latest is for a folder that may be a copy or a restored backup. If the run went on elsewhere, the
people reached since would get the message twice. So decide first reads the receipts, and refuses
if one names a message that this folder never sent.

Exit codes: 0 recorded, or shown; 10 refused, and nothing was changed.`,
		Example: `  cohort decide runs/winter-2026-11-1a2b3c4d
  cohort decide runs/winter-2026-11-1a2b3c4d refused again --code CM_INVALID_VALUE --dry-run
  cohort decide runs/winter-2026-11-1a2b3c4d in-doubt again --reason "the receipts of all days are read"
  cohort decide runs/winter-2026-11-1a2b3c4d foreign accepted --reason "sent from the old server, as its log shows"`,
		Args: commandline.Arguments(cobra.RangeArgs(1, 3)),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				return repair.Show(c.OutOrStdout(), args[0], run.ClockOf(c.Context())())
			}
			if s.RunFolder, s.Call, err = runfolder.Find(args[0]); err != nil {
				return err
			}
			s.Open(c)
			d.What = strings.Join(args[1:], " ")
			return repair.Decide(c.Context(), &s, d)
		},
	}
	c.Flags().StringSliceVar(&d.Codes, "code", nil, "with refused again: only messages with this reason `code` in the report; may be repeated")
	c.Flags().StringVar(&d.Reason, "reason", "", "why, in words without personal data; it is recorded")
	c.Flags().BoolVar(&d.DryRun, "dry-run", false, "show what would be decided, and change nothing")
	c.Flags().BoolVar(&s.Network, "allow-network-folder", false, networkHelp)
	return c
}
