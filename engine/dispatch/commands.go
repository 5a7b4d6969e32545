package dispatch

import (
	"time"

	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// Order is a command for a run at work. Done is given nil when the command holds, or why it does not.
type Order struct {
	ledger.Command
	Change *ledger.PaceChange // of a VerbPace: what changes, known when Done is given nil; may be nil
	Done   chan<- error       // with room for one
}

func (r *run) order(o Order, now time.Time) error {
	if o.Verb == record.VerbPace {
		change, err := r.ledger.Repace(r.job.Pace, o.Pace, now)
		if err != nil {
			return err
		}
		o.Pace = change.Lever
		if o.Change != nil {
			*o.Change = change
		}
	}
	if err := r.log.Command(now, o.Command); err != nil {
		return err
	}
	r.applyCommand(o.Command)
	return nil
}

func (r *run) applyCommand(c ledger.Command) {
	log, override := r.job.Logger, r.ledger.Facts().Override
	switch c.Verb {
	case record.VerbPause:
		log.Warn("the run is paused: nothing is sent until it is told to continue", event.Paused, "paused", r.ledger.Facts().Paused)
	case record.VerbContinue:
		now := time.Now()
		r.health.failures = 0 // the service had nothing to answer
		r.silence.restart(now)
		r.clock.trust(now)
		log.Info("the run continues", event.Continued)
	case record.VerbPace:
		r.warnedWindow, r.warnedFinish, r.speed = time.Time{}, false, pace.Speed{} // they are about another rate
		switch {
		case override == (pace.Override{}):
			log.Info("the campaign's pace holds again", event.PaceChanged)
		case override.FinishBy.IsZero():
			log.Info("the pace was changed", event.PaceChanged, "per_second", override.PerSecond)
		default:
			log.Info("the pace was changed", event.PaceChanged, "per_second", override.PerSecond, "finish_by", override.FinishBy.Format(time.RFC3339))
		}
	case record.VerbReason:
		log.Info("the reason is noted", event.ReasonNoted, "reason", r.ledger.Facts().LastControl)
	case record.VerbStop:
		r.halt(&Stopped{Code: "stopped_by_command", Why: "stopped " + record.CommandDetail{By: c.By, Reason: c.Reason}.Words()})
	}
	r.gate.Command(r.ledger.Facts().Paused, override)
}
