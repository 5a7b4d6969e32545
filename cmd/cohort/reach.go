package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func reachCommandOf() *cobra.Command {
	var (
		c            intake.Check
		campaignPath string
		perSecond    float64
		asJSON       bool
	)
	command := &cobra.Command{
		Use:   "reach -c campaign.yaml COHORT...",
		Short: "Fetch who of a cohort has the NHS App, and count the people that the app reaches",
		Long: `Reach asks the campaign's service about each GP practice in the cohort: which patients have the
NHS App, and whether notifications are on. In the campaign file, reach names the column of the
practice's ODS code. Nothing is sent to anybody.

The service makes its reports once a day. The folder reach of the register keeps them until the
next day (UTC), for all campaigns, so each practice is asked about once a day. A fetch that was
stopped goes on. The folder holds personal data. Check and send use it.

Exit codes: 0 everything was fetched; 10 it could not be; 3 stopped, and the last line of
standard error is the command that goes on.
`,
		Args: commandline.Arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if perSecond <= 0 || perSecond > 400 {
				return refusal.New("fetching_rate_wrong")
			}
			if err := c.Prepare(cmd, campaignPath, args, "reach"); err != nil {
				return err
			}
			if c.Campaign.Reach == nil {
				return refusal.New("reach_missing", "cause", c.Campaign.Mistake("reach", "is missing; it names the column of the GP practice's ODS code, such as reach: {practice: gp_ods_code}"))
			}
			if runfolder.FromStdin(c.Paths) {
				return refusal.New("reach_from_stdin")
			}
			if err := c.Fetch(cmd.Context(), perSecond); err != nil {
				return err
			}
			found, err := c.Run(cmd.Context())
			if err != nil {
				return err
			}
			return commandline.Show(cmd, asJSON, found.Reach)
		},
	}
	f := command.Flags()
	commandline.CampaignFlag(command, &campaignPath, "the campaign `file`")
	f.Float64Var(&perSecond, "per-second", intake.UsualPerSecond, "requests a `second`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	return command
}
