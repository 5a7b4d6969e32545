package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/engine/refusal"
)

func planCommand() *cobra.Command {
	var (
		c      intake.Check
		path   string
		asJSON bool
	)
	command := &cobra.Command{
		Use:   "plan -c campaign.yaml COHORT...",
		Short: "Show what a send would do and when it would end, and send nothing",
		Long: `Plan reads the cohort as a send would, renders every message, and cuts the batches. It shows
their number and size, the days on which they would go out, and the time of the last. It needs
no keys and no network, and keeps nothing. It counts the people that runs of other campaigns
have reached. It does not look at other runs of this campaign.

Exit codes: 0 the campaign and the cohort are correct; 10 a send would be refused.
`,
		Args: commandline.Arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Prepare(cmd, path, args, "plan"); err != nil {
				return err
			}
			p := &intake.Forecast{Campaign: c.Campaign}
			c.Look = p.Add
			found, err := c.Run(cmd.Context())
			if err != nil {
				return err
			}
			if !found.WouldSend {
				return refusal.New("send_would_be_refused", "why", found.Why)
			}
			p.Reach, p.Overlap = found.Reach, found.Overlap
			return commandline.Show(cmd, asJSON, p)
		},
	}
	commandline.CampaignFlag(command, &path, "the campaign `file`")
	command.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return command
}
