package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/run"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

const networkHelp = "keep the run's folder on a network filesystem, though two machines may then hold its lock at once"

func sendCommand() *cobra.Command {
	var (
		s          run.Runner
		o          run.Options
		campaign   string
		runs, aRun string
		dry        string
	)
	c := &cobra.Command{
		Use:   "send -c campaign.yaml COHORT...",
		Short: "Send a cohort; the same command again goes on, or says it is finished",
		Long: `Send reads the cohort (files, or a folder of files), checks every record, seals the plan, sends
the messages and writes the report. The same command again goes on where the run was stopped.
When the run is finished, it says so and sends nothing.

A send is refused when another campaign has sent many of the people the same words with the
same values within overlap_days. Give --rest-of that campaign to send to the others only.

COHORT can be - for standard input. It is copied to disk until the plan is sealed.

With --dry-run FILE nothing is sent and no run begins. The cohort is read as cohort check reads
it, and FILE gets every request, under references that no run has. FILE holds personal data.

The run's folder is runs/<campaign>-<first 8 digits of the run id> unless --run names one.

Exit codes:
` + exitCodes,
		Example: `  cohort send -c campaign.yaml cohort.csv --simulate     a rehearsal against a simulator in this process
  cohort send -c campaign.yaml cohort.csv --dry-run requests.jsonl.zst
  cohort send -c campaign.yaml cohort.csv                the real thing
  cohort send -c campaign.yaml corrected.csv --new-cohort
  cohort send -c national.yaml national.csv --rest-of pilot
  zcat cohort.csv.gz | cohort send -c campaign.yaml -`,
		Args: commandline.CohortArguments("dry-run"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if campaign == "" {
				return refusal.New("send_without_campaign", "cohort", refusal.ShellWord(args[0]))
			}
			if c.Flags().Changed("dry-run") {
				return intake.DryRun(c, campaign, args, dry)
			}
			if c.Flags().Changed("send-again") && s.Call.SendAgain == "" {
				return refusal.New("send_again_without_reason")
			}
			if c.Flags().Changed("rest-of") && s.Call.RestOf == "" {
				return refusal.New("rest_of_without_name")
			}
			if s.Call.Campaign, err = runfolder.Absolute(campaign); err != nil {
				return err
			}
			if s.Call.Cohort, err = intake.CohortPaths(args); err != nil {
				return err
			}
			if s.Runs, err = runfolder.Absolute(runs); err != nil {
				return err
			}
			if aRun != "" {
				if s.RunFolder, err = runfolder.Absolute(aRun); err != nil {
					return err
				}
			}
			s.Open(c)
			o.Words = append([]string{"send", "-c", s.Call.Campaign}, s.Call.Cohort...)
			c.Flags().Visit(func(f *pflag.Flag) {
				if f.Name != "campaign" {
					o.Words = append(o.Words, "--"+f.Name+"="+f.Value.String())
				}
			})
			end, err := s.Export(o.Metrics)
			if err != nil {
				return err
			}
			defer end()
			return s.Alert(s.Send(c.Context(), o))
		},
	}
	f := c.Flags()
	commandline.CampaignFlag(c, &campaign, "the campaign `file`")
	f.StringVar(&aRun, "run", "", "the run's folder")
	f.StringVar(&runs, "runs", "runs", "the folder of the runs' folders")
	f.BoolVar(&s.Call.Simulate, "simulate", false, "send to a simulator in this process, with its own keys; never the same run as a real one")
	f.StringVar(&dry, "dry-run", "", "send nothing: write every request to this `file` as JSON lines, compressed when it ends in .gz or .zst")
	f.BoolVar(&o.OneWindow, "one-window", false, "end with the window (exit 3) instead of waiting for the next")
	f.BoolVar(&s.Network, "allow-network-folder", false, networkHelp)
	f.BoolVar(&s.Call.NewCohort, "new-cohort", false, "the campaign was sent to another file before: send to people in this file who were neither accepted nor in doubt then")
	f.StringVar(&s.Call.RestOf, "rest-of", "", "leave out the people that another `campaign` has reached or has in doubt, and close its runs; several with commas between")
	f.StringVar(&s.Call.SendAgain, "send-again", "", "send also to people who were reached before, or by a run with a lost folder; takes the `reason`, which is recorded")
	o.Metrics.Flags(f)
	return c
}
