package dispatch

import (
	"time"

	"cohort/engine"
	"cohort/engine/pace"
)

// answeredForLoad learns from an answer how much the service takes, and says so when it
// gets less.
func (r *run) answeredForLoad(a engine.Answer, attempted, now time.Time) {
	var lowered bool
	var share float64
	r.tempo.Set(func(t *pace.Controller) {
		switch {
		case a.HoldAll:
			o, _ := pace.NextOpening(r.job.Pace, now)
			rate := t.Planned(o, now) * t.Load.Factor(now)
			slow := rate > 0 && rate < pace.SlowPace*float64(max(1, r.job.Plan.Largest))
			lowered = t.Load.Refusal(attempted, now, now.Add(a.RetryAfter), slow)
			share = t.Load.Factor(now)
		case a.Status != 0:
			t.Load.Answered()
		}
	})
	if lowered {
		r.job.Logger.Warn("the service goes on refusing: it is asked for less until it has taken that for a while", "percent_of_the_rate", int(100*share))
	}
}
