package ledger

import (
	"fmt"
	"math"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/pace"
)

// PaceChange is the effect of a pace command on a run's rate.
type PaceChange struct {
	Lever    pace.Override `json:"lever"`            // as it goes into the log
	Asked    time.Time     `json:"asked,omitzero"`   // the FinishBy that was asked for, if the window closes earlier
	From     float64       `json:"from"`             // rate before, messages a second; 0: no limit
	To       float64       `json:"to"`               // rate from now on
	Requests float64       `json:"requests"`         // requests a minute, of the run's largest size; 0: no limit
	Paused   bool          `json:"paused,omitempty"` // the change holds when the run continues
	Left     int64         `json:"left"`             // messages that are not sent yet
	Remain   int64         `json:"remain"`           // messages that are not sent at At
	At       time.Time     `json:"at,omitzero"`      // Lever.FinishBy, or else the end of the window; zero: neither
	Ends     time.Time     `json:"ends,omitzero"`    // forecast of the last request; zero: unknown
}

// leastSpan is the least time until a FinishBy. A shorter time would make a spike.
const leastSpan = time.Minute

// Repace returns the effect of a pace command at now. For a FinishBy it settles the rate, once: the messages that are
// left over the time from now, or from the opening of the window. The rate is never above the pace's per_second. A
// command that makes no sense is an error.
func (l *Ledger) Repace(p campaign.Pace, asked pace.Override, now time.Time) (PaceChange, error) {
	f := pace.Facts{Pace: p, Override: l.facts.Override, Window: l.facts.Stretch, Left: Unsent(l.Account()), Largest: l.Plan.Largest}
	c := PaceChange{Lever: asked, Left: f.Left, Paused: l.facts.Paused != ""}
	o, ok := pace.NextOpening(p, now)
	if !ok {
		return c, fmt.Errorf("pace.until has passed, and no window comes any more")
	}
	begins := pace.Later(now, o.Opens)
	if !asked.FinishBy.IsZero() {
		if !o.Closes.IsZero() && asked.FinishBy.After(o.Closes) {
			c.Asked, c.Lever.FinishBy = asked.FinishBy, o.Closes
		}
		span := c.Lever.FinishBy.Sub(begins)
		if span < leastSpan {
			return c, fmt.Errorf("a time to finish by must be a minute away or more from when the run may send (%s)", begins.Format(time.DateTime+" MST"))
		}
		c.Lever.PerSecond = finishing(c.Left, span, p.PerSecond)
	}
	c.From = pace.Forecast(f, now).Rate
	f.Override = c.Lever
	out := pace.Forecast(f, now)
	c.To, c.Ends, c.At, c.Remain = out.Rate, out.Last, o.Closes, out.Remain
	if !c.Lever.FinishBy.IsZero() {
		c.At, c.Remain = c.Lever.FinishBy, out.Late
	}
	c.Requests = 60 * c.To / float64(max(1, l.Plan.Largest))
	return c, nil
}

// finishing returns the rate, in messages a second, that sends the messages within the span. It is rounded up, and at
// most ceiling when ceiling is above 0.
func finishing(messages int64, span time.Duration, ceiling float64) float64 {
	rate := max(0.001, math.Ceil(float64(messages)/span.Seconds()*1000)/1000)
	if ceiling > 0 {
		rate = min(rate, ceiling)
	}
	return rate
}
