package dispatch

import (
	"time"

	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// Pull asks something of a run at work. Done is given nil when it holds, or why not.
type Order struct {
	ledger.Command
	Change *ledger.PaceChange // of LeverPace: what it makes of the rate, known when Done is given nil; may be nil
	Done   chan<- error       // with room for one
}

// pulled does what a person asks.
func (r *run) ordered(p Order) {
	p.Done <- r.order(p, time.Now())
}

func (r *run) order(p Order, now time.Time) error {
	if p.Verb == record.VerbPace {
		change, err := r.job.Log.Ledger.Repace(r.job.Pace, p.Pace, now)
		if err != nil {
			return err
		}
		p.Pace = change.Lever
		if p.Change != nil {
			*p.Change = change
		}
	}
	if err := r.job.Log.Command(now, p.Command); err != nil {
		return err
	}
	r.apply(p.Command)
	return nil
}

// obey brings the run to what the ledger says that a person wants.
func (r *run) apply(l ledger.Command) {
	switch l.Verb {
	case record.VerbPause:
		r.job.Logger.Warn("the run is paused: nothing is sent until it is told to continue", "why", r.job.Log.Ledger.Paused)
	case record.VerbContinue:
		now := time.Now()
		r.continued(now)
		if r.clockSet {
			r.clock, r.clockSet = r.clocks(now), false
		}
		r.job.Logger.Info("the run continues")
	case record.VerbPace:
		r.tempo.Set(func(t *pace.Controller) { t.Lever = r.job.Log.Ledger.Override })
		r.short, r.late = time.Time{}, false // what was foretold was of another rate
		say := r.job.Logger.With("per_second", r.job.Log.Ledger.Override.PerSecond)
		if by := r.job.Log.Ledger.Override.FinishBy; !by.IsZero() {
			say = say.With("finish_by", by.Format(time.RFC3339))
		}
		say.Info("the pace was changed")
	case record.VerbReason:
		r.job.Logger.Info("the reason is noted", "event", r.job.Log.Ledger.LastControl)
	case record.VerbStop:
		r.halt(&Stopped{Code: "stopped_by_command", Why: "stopped " + record.CommandDetail{By: l.By, Reason: l.Reason}.Words()})
	}
	r.gate.Pause(r.job.Log.Ledger.Paused)
	r.gate.Wake()
}
