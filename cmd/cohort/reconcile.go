package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/repair"
	"cohort/cmd/internal/run"
	"cohort/engine/runfolder"
)

func reconcileCommand() *cobra.Command {
	var network bool
	var o *reconcile.Options
	again := &repair.Resend{}
	c := &cobra.Command{
		Use:   "reconcile DIR",
		Short: "Ask the service what has become of a run's messages",
		Long: `Reconcile asks the service what it has of a run's messages and what has become of them.
Nothing is sent. What it is told of their way is in delivery.parquet in the run's folder, and
changes nobody's fate.

NHS Notify is asked for each message that was accepted and has not come to its end, so many
in a second. How long that takes is said at the start. Ctrl-C keeps what was learnt, and the
next reconcile goes on with the rest. What is in doubt a replay settles first:
cohort resume DIR --settle.

Of the NHS App it reads the receipts of every day since the run was planned. A message that a receipt names was taken: it is accepted from then on, under the
service's id. One that no receipt names stays in doubt, since its receipt may yet come: ask
again the next day. It needs the report of receipts, which the application must be allowed
to read.

What became of an upload over MESH NHS Notify says in files that come back (workflow
NHS_NOTIFY_DAILY_REPORT, or NHS_NOTIFY_BATCH_REPORT when a batch has ended); each is named with
--daily-report. They may come in any order and
more than once. Rows about messages that are not of this run are counted and said. Nothing is
changed when one of the files cannot be read to its end.

An acknowledgement (workflow NHS_NOTIFY_SEND_REQUEST_ACK) is named with --acknowledgement, with its
control file beside it. When it refuses an upload, the upload's messages are refused from then on,
and cohort retry can put them into a new one. One that cannot be understood beyond doubt, or
contradicts what is known, is refused and changes nothing. When daily reports name messages of an
upload that was refused before, that is noted and ends with 4: nobody of the upload is sent to again.

With --fallback the messages are listed that have reached nobody, so that their people can be
reached in another way: those that failed; and of the NHS App those that were rejected, did not
notify, or were not read within --unread. Whom a suppression list has named since is left out,
and so are messages that failed before any channel was tried, since then the person's record
lets nobody write: the person may have died.

Exit codes: 0 it was all asked, and nothing is in doubt; 3 stopped on the way, and the same
can go on; 4 something is in doubt, or a refused upload was taken all the same; 10 it could
not be asked, and nothing was changed; 1 a defect in cohort.
On 3 and 4 the last line of standard error is the command that goes on; cohort status, when only
a person can.
`,
		Example: `  cohort reconcile runs/autumn-1a2b3c4d
  cohort reconcile runs/autumn-1a2b3c4d --per-second 20 --json
  cohort reconcile runs/upload-1a2b3c4d --daily-report monday.csv --daily-report tuesday.csv`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := again.Check(c); err != nil {
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
			if again.Chosen {
				return repair.ResendInDoubt(&s, c.Context(), plan, again)
			}
			return reconcile.Reconcile(&s, c.Context(), plan, o)
		},
	}
	o = reconcile.Flags(c)
	c.Long += resendHelp
	again.Flags(c)
	c.Flags().BoolVar(&network, "allow-network-folder", false, networkHelp)
	return c
}
