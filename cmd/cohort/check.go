package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/output"
	"cohort/engine/refusal"
)

func checkCommand() *cobra.Command {
	var (
		c            intake.Check
		campaignPath string
		asJSON       bool
	)
	command := &cobra.Command{
		Use:   "check -c campaign.yaml COHORT...",
		Short: "Read a cohort as a send would, and send nothing",
		Long: `Check reads everything and shows what a send would do. It needs no keys and no network. It
keeps NHS numbers in a temporary folder (TMPDIR) while it works; whole records, if the campaign
has reach or others have sent. COHORT can be - for standard input, which is copied there.

It counts the people that runs of other campaigns have reached. It does not look at earlier
runs of this campaign, keys or addresses.

Exit codes: 0 a send would go ahead; 10 it would be refused.
`,
		Args: commandline.CohortArguments("rejects"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Prepare(cmd, campaignPath, args, "check"); err != nil {
				return err
			}
			found, err := c.Run(cmd.Context())
			if err != nil {
				return err
			}
			err = commandline.Show(cmd, asJSON, found)
			if err == nil && !found.WouldSend {
				err = refusal.New("send_would_be_refused", "why", found.Why)
			}
			return err
		},
	}
	f := command.Flags()
	commandline.CampaignFlag(command, &campaignPath, "the campaign `file`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	f.BoolVar(&c.Strict, "strict", false, "any invalid record is a refusal")
	f.BoolVar(&c.Force, "force", false, "with --rejects: "+output.ForceHelp)
	f.StringVar(&c.Rejects, "rejects", "", "write the records that would not be sent to this `file`: row, file, line, code, reason")
	return command
}
