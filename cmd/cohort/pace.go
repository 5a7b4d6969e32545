package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func paceCommand() *cobra.Command {
	var (
		o        operation
		finishBy string
		own      bool
		force    bool
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
			o.asked.Verb = record.VerbPace
			given := 0
			for _, flag := range []string{"per-second", "finish-by", "campaign"} {
				if c.Flags().Changed(flag) {
					given++
				}
			}
			if rate := o.asked.Pace.PerSecond; given != 1 || c.Flags().Changed("per-second") && !(rate > 0 && rate <= 1e9) {
				return refusal.New("pace_not_one")
			}
			if c.Flags().Changed("campaign") && !own {
				return refusal.New("pace_campaign_value")
			}
			if err := o.find(args[0]); err != nil {
				return err
			}
			p, err := paceOf(o.folder)
			if err != nil {
				return err
			}
			rate := o.asked.Pace.PerSecond
			above := aboveCeiling(p, rate, time.Now())
			if above != "" && !force {
				return refusal.New("pace_above_ceiling", "above", above, "command", refusal.Command("pace", args[0], "--per-second", pace.Figure(rate), "--force"))
			}
			if c.Flags().Changed("finish-by") {
				if o.asked.Pace.FinishBy, err = timeAhead(p, finishBy, time.Now()); err != nil {
					return err
				}
			}
			if err := o.deliver(c.Context()); err != nil {
				return err
			}
			if above != "" {
				fmt.Fprintln(c.OutOrStdout(), above)
			}
			answerPace(c.OutOrStdout(), o.change, o.noted, p.Location)
			o.askReason(c)
			return nil
		},
	}
	c.Flags().Float64Var(&o.asked.Pace.PerSecond, "per-second", 0, "messages a second")
	c.Flags().StringVar(&finishBy, "finish-by", "", "spread what is left until this `time` of day")
	c.Flags().BoolVar(&force, "force", false, "also above the campaign's ceiling")
	c.Flags().BoolVar(&own, "campaign", false, "the campaign's own pace again")
	o.flags(c)
	return c
}

// aboveCeiling says which ceiling of the campaign a rate is above; empty: none.
func aboveCeiling(p campaign.Pace, rate float64, now time.Time) string {
	ceiling, keys := pace.Ceiling(p, now)
	if ceiling == 0 || rate <= ceiling {
		return ""
	}
	return fmt.Sprintf("%s a second is above the campaign's ceiling of %s a second (%s)", pace.Figure(rate), pace.Figure(ceiling), keys)
}

// paceOf returns the pace of the campaign of a run's folder.
func paceOf(folder string) (campaign.Pace, error) {
	call, err := runfolder.ReadCall(folder)
	if err != nil {
		return campaign.Pace{}, err
	}
	c, _, _, err := runfolder.ReadCampaign(folder, call)
	if err != nil {
		return campaign.Pace{}, err
	}
	return c.Pace, nil
}

const (
	dayClock  = "15:04 on Mon 2 Jan"
	clockForm = "15:04"
)

// timeAhead reads a time of day: today's or, when that is over, tomorrow's if the window that
// is open now or comes next reaches there. It is pure.
func timeAhead(p campaign.Pace, text string, now time.Time) (time.Time, error) {
	clock, err := time.Parse(clockForm, text)
	if err != nil {
		return time.Time{}, refusal.New("finish_by_wrong", "time", text)
	}
	o, ok := pace.NextOpening(p, now)
	if !ok {
		return time.Time{}, refusal.New("until_has_passed")
	}
	now = now.In(p.Location)
	day := func(days int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+days, clock.Hour(), clock.Minute(), 0, 0, p.Location)
	}
	at := day(0)
	if !at.After(now) {
		at = day(1)
		if !o.Closes.IsZero() && at.After(o.Closes) {
			return time.Time{}, refusal.New("finish_by_too_late", "time", text, "closes", o.Closes.In(p.Location).Format(dayClock))
		}
	}
	if !at.After(o.Opens) {
		return time.Time{}, refusal.New("finish_by_too_early", "opens", o.Opens.In(p.Location).Format(dayClock))
	}
	return at, nil
}

// answerPace prints the effect of a change of pace. noted: no process is at work.
func answerPace(w io.Writer, c ledger.PaceChange, noted bool, zone *time.Location) {
	at := func(t time.Time) string { return t.In(zone).Format(dayClock) }
	fmt.Fprintf(w, "the pace goes from %s to %s", perSecond(c.From), perSecond(c.To))
	if c.Requests > 0 {
		fmt.Fprintf(w, ", about %s requests a minute", pace.Figure(math.Ceil(c.Requests*10)/10))
	}
	if !c.Ends.IsZero() {
		fmt.Fprintf(w, "; the %d messages that are left are sent by about %s", c.Left, at(c.Ends))
	}
	fmt.Fprintln(w)
	if !c.Asked.IsZero() {
		fmt.Fprintf(w, "%s is after the window's last call: what is left is spread until %s\n", at(c.Asked), at(c.Lever.FinishBy))
	}
	if c.Remain > 0 {
		fmt.Fprintf(w, "at %s %d will remain at %s; they are sent afterwards at the same rate\n", perSecond(c.To), c.Remain, at(c.At))
	}
	switch {
	case c.Paused:
		fmt.Fprintln(w, "the run is paused: all of this is as if it continued now")
	case noted:
		fmt.Fprintln(w, "no process is at work on the run: all of this is as if it were resumed now")
	}
}

func perSecond(rate float64) string {
	if rate == 0 {
		return "as fast as the service takes it"
	}
	return pace.Figure(rate) + "/s"
}
