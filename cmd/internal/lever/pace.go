package lever

import (
	"fmt"
	"math"
	"strings"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Repace makes it an order for another pace: so many messages a second, the campaign's own pace, or else what is left is
// spread until a time of day. A rate above the campaign's ceiling needs force.
func (o *Order) Repace(perSecond float64, own bool, finishBy string, force bool) error {
	p, err := paceOf(o.Folder)
	if err != nil {
		return err
	}
	o.zone, o.Pace.PerSecond, o.above = p.Location, perSecond, aboveCeiling(p, perSecond, time.Now())
	if o.above != "" && !force {
		return refusal.New("pace_above_ceiling", "above", o.above, "command",
			refusal.Command("pace", o.Folder, "--per-second", pace.Figure(perSecond), "--force"))
	}
	if perSecond == 0 && !own {
		o.Pace.FinishBy, err = timeAhead(p, finishBy, time.Now())
	}
	return err
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

// answerPace words the effect of a change of pace. noted: no process is at work.
func answerPace(c ledger.PaceChange, noted bool, zone *time.Location) string {
	w := &strings.Builder{}
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
	return strings.TrimSuffix(w.String(), "\n")
}

func perSecond(rate float64) string {
	if rate == 0 {
		return "as fast as the service takes it"
	}
	return pace.Figure(rate) + "/s"
}
