package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

func paceCommand() *cobra.Command {
	var (
		o         operation
		perSecond float64
		finishBy  string
		own       bool
		force     bool
	)
	c := &cobra.Command{
		Use:   "pace DIR --per-second N | --finish-by 21:00 | --campaign",
		Short: "Send at another rate than the campaign's",
		Long: `Pace makes the run send at another rate. --finish-by spreads the rest until a time of day in the
campaign's time zone, at the latest until the window closes. It works out that rate once, now,
and never above the campaign's per_second. The rate stays after a pause or a stop, so messages
may then go out after that time. The window still holds, and so does a service that asks for
fewer requests. --campaign goes back to the campaign's own pace. A rate above the
campaign's ceiling, pace.per_second or the capacity of its window, needs --force.
` + operationHelp,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			given := 0
			for _, flag := range []string{"per-second", "finish-by", "campaign"} {
				if c.Flags().Changed(flag) {
					given++
				}
			}
			if given != 1 || c.Flags().Changed("per-second") && !(perSecond > 0 && perSecond <= 1e9) {
				return refusal.New("pace_not_one")
			}
			if c.Flags().Changed("campaign") && !own {
				return refusal.New("pace_campaign_value")
			}
			order, err := o.order(args[0], record.VerbPace)
			if err == nil {
				err = order.Repace(perSecond, own, finishBy, force)
			}
			if err != nil {
				return err
			}
			return o.deliver(c, order)
		},
	}
	c.Flags().Float64Var(&perSecond, "per-second", 0, "messages a second")
	c.Flags().StringVar(&finishBy, "finish-by", "", "spread what is left until this `time` of day")
	c.Flags().BoolVar(&force, "force", false, "also above the campaign's ceiling")
	c.Flags().BoolVar(&own, "campaign", false, "the campaign's own pace again")
	o.flags(c)
	return c
}
