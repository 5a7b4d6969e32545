package dispatch

import (
	"encoding/json"
	"fmt"
	"time"

	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// tick checks the clock and the window, and reports the progress, a few times a second.
func (r *run) tick() {
	now := time.Now()
	r.checkClock(now)
	account, left := r.ledger.Tally()
	start, sends := r.gate.Update(ledger.Unsent(account), r.ledger.Facts().Stretch, now)
	sends = sends && r.stop == nil
	if sends && start != r.ledger.Facts().Stretch {
		if err := r.noteWindowStart(start, now); err != nil {
			r.stepFailed(err)
		}
	}
	s := r.snapshot(now, account, left)
	if sends {
		r.warnOfPace(s)
	}
	r.report(s)
}

// wallClock compares the wall clock with the monotonic one. Windows follow the wall clock, so
// one that is set opens and closes them at the wrong moment.
type wallClock struct {
	began   time.Time     // of the process
	wall    time.Time     // the wall clock when it was last trusted, without a monotonic reading
	ran     time.Duration // the monotonic clock then, since began
	stopped bool          // the run paused itself because the clocks had parted
}

// mostStepped is the largest difference, all in all, that needs no person.
const mostStepped = 60 * time.Second

// stepped returns how far the wall clock was set since it was last trusted; 0 for less than a minute.
func (c *wallClock) stepped(wall time.Time, ran time.Duration) time.Duration {
	off := wall.Sub(c.wall) - (ran - c.ran)
	if off.Abs() <= mostStepped {
		return 0
	}
	return off
}

// trust ends a pause that the clock caused: who lets the run continue has checked it.
func (c *wallClock) trust(now time.Time) {
	if c.stopped {
		c.wall, c.ran, c.stopped = now.Round(0), now.Sub(c.began), false
	}
}

// checkClock pauses the run when the wall clock was set. Several small steps count together.
// A step during a pause counts when the run continues, since nobody was told of it.
func (r *run) checkClock(now time.Time) {
	off := r.clock.stepped(now.Round(0), now.Sub(r.clock.began))
	if off == 0 || r.ledger.Facts().Paused != "" || r.stop != nil {
		return
	}
	where := "forward"
	if off < 0 {
		where = "back"
	}
	why := fmt.Sprintf("this machine's clock was set %s by %s; make sure that it is right, and then let the run continue",
		where, off.Abs().Round(time.Second))
	if err := r.log.Command(now, ledger.Command{Verb: record.VerbPause, By: "cohort itself", Reason: why}); err != nil {
		r.stepFailed(err)
		return
	}
	r.clock.stopped = true
	r.applyCommand(ledger.Command{Verb: record.VerbPause})
}

// warnOfPace warns when the window, or the time that a person has asked for, will not hold
// what is left. The rate stays as it is.
func (r *run) warnOfPace(s Snapshot) {
	batch, out, p := int64(r.job.Plan.Largest), s.Expected, r.job.Pace
	switch by := r.ledger.Facts().Override.FinishBy; {
	case out.Late == 0:
		r.warnedFinish = r.warnedFinish && !by.After(s.At)
	case out.Late > batch && !r.warnedFinish:
		r.warnedFinish = true
		r.job.Logger.Warn(fmt.Sprintf("the time to finish by will not be kept: at %.4g/s %d messages will remain at %s; "+
			"they are sent afterwards at the same rate", out.Rate, out.Late, by.Format("15:04 on Mon 2 Jan")), event.FinishByMissed)
	}
	switch {
	case p.Window == nil:
	case out.Remain == 0:
		r.warnedWindow = time.Time{}
	case out.Remain > batch && !r.warnedWindow.Equal(out.Opens):
		r.warnedWindow = out.Opens
		then := "they are sent from the next window on"
		if r.job.OneWindow {
			then = "the run then ends, and can be resumed (--one-window)"
		}
		r.job.Logger.Warn(fmt.Sprintf("the window will not hold all: at %.4g/s %d messages will remain at %s; %s",
			out.Rate, out.Remain, out.Closes.In(p.Location).Format("15:04 on Mon 2 Jan"), then), event.WindowTooShort)
	}
}

// noteWindowStart notes what is left at the start of a window: in the log, where the rate
// after a restart depends on it.
func (r *run) noteWindowStart(s pace.WindowStart, now time.Time) error {
	if !r.job.Pace.Spread && r.job.Pace.CatchUp <= 1 {
		r.ledger.BeginWindow(s)
		return nil
	}
	detail, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return r.log.Control(now, record.ControlStretch, string(detail))
}
