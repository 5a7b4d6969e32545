package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/find"
	"cohort/cmd/internal/run"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func followupCommand() *cobra.Command {
	var (
		f        run.FollowUp
		s        run.Runner
		o        run.Options
		campaign string
	)
	c := &cobra.Command{
		Use:   "followup DIR (--rule NAME | --only FATES | --received FINGERPRINT)",
		Short: "Send a later message to people of a run, such as those who have not read it",
		Long: `Followup finds the people of a run who are due for a later message, and sends it to them. The
later message is a run of its own, with its own folder, report and window. Each call takes the
people who are due now and are in no earlier follow-up by the same rule. When nobody is due it
sends nothing.

  --rule NAME             a rule under followup in the run's campaign file
  --only FATES            the people whom the run has not reached: refused, invalid, or both with a
                          comma between, and -c with the campaign file of the later message
  --received FINGERPRINT  the people who were sent these words (template_version in the report),
                          and -c with the campaign file of the correction

Left out and counted are people in doubt, people of contradicted messages, and people whose
record allows no message. News that comes later leaves people out: it is read at each start, at
each start of a window, at midnight, and about each five minutes while the run sends.
A follow-up by a rule is refused while the service has told of too few messages (known).

Exit codes:
` + exitCodes,
		Example: `  cohort followup runs/invitation-1a2b3c4d --rule sms --dry-run
  cohort followup runs/invitation-1a2b3c4d --rule sms
  cohort followup runs/invitation-1a2b3c4d --only refused -c letters.yaml --reason "no account in the app"
  cohort followup runs/invitation-1a2b3c4d --received 5d1c07aa93be -c correction.yaml --reason "wrong number"`,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) (err error) {
			asked, empty := 0, false
			for _, name := range []string{"rule", "only", "received"} {
				if flag := c.Flags().Lookup(name); flag.Changed {
					asked++
					empty = empty || strings.Trim(flag.Value.String(), "[] ") == ""
				}
			}
			if asked != 1 || empty {
				return refusal.New("followup_of_whom")
			}
			if f.Rule == "" && strings.TrimSpace(f.Reason) == "" && !f.DryRun && !f.Due {
				return refusal.New("followup_without_reason")
			}
			if f.Reason != "" {
				if err := find.CheckReason(f.Reason); err != nil {
					return err
				}
			}
			if f.JSON && !f.DryRun && !f.Due {
				return refusal.New("followup_json_alone")
			}
			if campaign != "" {
				if f.Campaign, err = runfolder.Absolute(campaign); err != nil {
					return err
				}
			}
			dir, _, err := runfolder.Find(args[0])
			if err != nil {
				return err
			}
			s.Open(c)
			o.Words = []string{"followup", dir}
			c.Flags().Visit(func(flag *pflag.Flag) {
				value := flag.Value.String()
				switch flag.Name {
				case "campaign":
					value = f.Campaign
				case "only":
					value = strings.Join(f.Only, ",")
				}
				o.Words = append(o.Words, "--"+flag.Name+"="+value)
			})
			return s.FollowUp(c.Context(), dir, f, o)
		},
	}
	commandline.CampaignFlag(c, &campaign, "the campaign `file` of the later message, with --only and --received")
	c.Flags().StringVar(&f.Rule, "rule", "", "the `name` of a rule under followup in the run's campaign file")
	c.Flags().StringSliceVar(&f.Only, "only", nil, "the people with these `fates`: refused, invalid")
	c.Flags().StringVar(&f.Received, "received", "", "the people who were sent the words with this `fingerprint`")
	c.Flags().StringVar(&f.Reason, "reason", "", "why, in words without personal data; it is in the plan")
	c.Flags().StringVar(&f.RestOf, "rest-of", "", "take the place of the earlier follow-up with this `campaign` name: close it, and leave out whom it has reached")
	c.Flags().BoolVar(&f.DryRun, "dry-run", false, "count who is due and who is left out, and change nothing")
	c.Flags().BoolVar(&f.Due, "due", false, "say when somebody is due next, and change nothing")
	c.Flags().BoolVar(&f.JSON, "json", false, "with --dry-run or --due: print the counts as JSON")
	c.Flags().BoolVar(&s.Call.NewCohort, "new-cohort", false, "the later campaign was sent to people of another run: leave out those whom it has reached there")
	c.Flags().BoolVar(&o.OneWindow, "one-window", false, "end with the window (exit 3) instead of waiting for the next")
	c.Flags().BoolVar(&s.Network, "allow-network-folder", false, networkHelp)
	return c
}
