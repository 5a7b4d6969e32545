package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/runfolder"
)

func reconcileCommand() *cobra.Command {
	var network bool
	var o *reconcile.Options
	var renamed func(dir string) error
	c := &cobra.Command{
		Use:   "reconcile DIR",
		Short: "Ask the service what has become of a run's messages",
		Long: `Reconcile takes up callbacks, and asks the service what became of a run's messages. It sends
nothing. The answers are kept in the run's folder. They change nobody's fate.

NHS Notify is asked about each accepted message that has no final state yet, at a fixed rate. A
message with a callback is left out, until none has come for 24 hours. The start says how long that
takes. Ctrl-C keeps what was learnt, and the next reconcile goes on with the rest. If messages are
in doubt, a replay settles them first: cohort resume DIR --settle.

--sample asks about some accepted messages instead, drawn at random. It prints the share of each
status, and the range in which the share of all messages lies in 95 of 100 samples.

The NHS App reports receipts by day, and reconcile reads every day since the run was planned. A
message with a receipt is accepted from then on, under the service's id. A message without one
stays in doubt, because its receipt may still come: ask again the next day. The application
must be allowed to read the report of receipts.

NHS Notify reports in files what became of an upload over MESH. Name each daily report and each
report of a batch with --daily-report, in any order, also more than once. If one of them cannot be
read to its end, nothing is changed. Name an acknowledgement with --acknowledgement; its control
file lies beside it. One that is unclear, or contradicts what is known, is refused and changes
nothing. If daily reports name messages of a refused upload, that is recorded, and the exit code
is 4: nobody of that upload is sent to again.

--fallback lists the people whom the run has not reached, and who may be written to in another way.
At the NHS App that includes messages that were not read within --unread. It leaves out people who
are suppressed or in doubt, and those whose record may forbid messages: the person may have died.

Exit codes: 0 everything was asked, and nothing is in doubt; 3 stopped, and the same command
goes on; 4 something is in doubt, or a refused upload was accepted after all; 10 refused, and
nothing was changed; 1 a defect in cohort.
On 3 and 4 the last line of standard error is the command that goes on.
`,
		Example: `  cohort reconcile runs/autumn-1a2b3c4d
  cohort reconcile runs/autumn-1a2b3c4d --per-second 20 --json
  cohort reconcile runs/autumn-1a2b3c4d --sample 400
  cohort reconcile runs/upload-1a2b3c4d --daily-report monday.csv --daily-report tuesday.csv`,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := renamed(args[0]); err != nil {
				return err
			}
			path, call, err := runfolder.Find(args[0])
			if err != nil {
				return err
			}
			s := run.Runner{Call: call, Network: network, RunFolder: path, Runs: filepath.Dir(path)}
			s.Open(c)
			plan, err := runfolder.Plan(path)
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			if err := o.Ready(path, s.Call, plan); err != nil {
				return err
			}
			if s.Campaign, s.CampaignText, _, err = runfolder.ReadCampaign(path, s.Call); err != nil {
				return err
			}
			s.Service, s.Id, s.Frozen = plan.Service, plan.Run, s.Campaign.Frozen()
			if s.Folder, err = runfolder.Hold(path, reconcile.Verb, s.Network, s.Log); err != nil {
				return err
			}
			defer s.Folder.Release()
			defer s.End()
			return reconcile.Reconcile(&s, c.Context(), plan, o)
		},
	}
	o = reconcile.Flags(c)
	renamed = oldResend(c)
	c.Flags().BoolVar(&network, "allow-network-folder", false, networkHelp)
	return c
}
