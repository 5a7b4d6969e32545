package ledger

import (
	"fmt"
	"math"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/pace"
)

// PaceChange is what a pace lever makes of a run's rate.
type PaceChange struct {
	Lever    pace.Override `json:"lever"`            // as it goes into the log
	Asked    time.Time     `json:"asked,omitzero"`   // the FinishBy that was asked for, when the window's last call comes before it
	From     float64       `json:"from"`             // messages a second; 0: no limit
	To       float64       `json:"to"`               // the same from now on
	Requests float64       `json:"requests"`         // a minute, of the largest size that the run has; 0: no limit
	Paused   bool          `json:"paused,omitempty"` // and so it holds from when the run continues
	Left     int64         `json:"left"`             // messages that are not sent yet
	Remain   int64         `json:"remain"`           // of them at Lever.FinishBy or else at the window's last call
	At       time.Time     `json:"at,omitzero"`      // which of the two; zero: there is neither
	Ends     time.Time     `json:"ends,omitzero"`    // when the last goes out, if nothing comes in between; zero: nobody can say
}

// leastSpan is how far off a time to finish by must be. What is left spread over less would
// be a spike.
const leastSpan = time.Minute

// Repace works out what a pace lever that is pulled at now would change, and what is to be
// put into the log. The rate of a FinishBy is settled here, once: it is what is left over
// the time from now, or from when the window opens, and never above the pace's per_second.
// An error says why the lever makes no sense.
func (l *Ledger) Repace(p campaign.Pace, asked pace.Override, now time.Time) (PaceChange, error) {
	f := pace.Facts{Pace: p, Override: l.Override, Window: l.Stretch, Left: Unsent(l.Account()), Largest: l.Plan.Largest}
	c := PaceChange{Lever: asked, Left: f.Left, Paused: l.Paused != ""}
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

// finishing is the rate at which messages are sent in a span, messages a second, at most
// ceiling when that is above 0. It is a round number above what it takes. It is pure.
func finishing(messages int64, span time.Duration, ceiling float64) float64 {
	rate := max(0.001, math.Ceil(float64(messages)/span.Seconds()*1000)/1000)
	if ceiling > 0 {
		rate = min(rate, ceiling)
	}
	return rate
}
