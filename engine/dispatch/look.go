package dispatch

import (
	"encoding/json"
	"fmt"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// look is what the run does a few times a second beside its errands: it looks at the
// clock, at the window and at how much is left, and says how things stand.
func (r *run) tick() {
	now := time.Now()
	r.checkClock(now)
	if now.Before(r.count) {
		return
	}
	s := r.snapshot()
	r.checkWindow(s)
	r.job.Progress(s)
	// Adding up millions of batches takes a while, and nothing is sent meanwhile: it gets a
	// hundredth of the time.
	r.count = now.Add(100 * time.Since(now))
}

// clocks reads both.
func (r *run) clocks(now time.Time) clocks { return clocks{wall: now.Round(0), ran: now.Sub(r.began)} }

// lookAtClock pauses the run when the wall clock was set: the windows hang on it. Several
// small steps count together, as does one that was taken while somebody had paused the run for
// another reason: he has not been told.
func (r *run) checkClock(now time.Time) {
	off := stepped(r.clock, r.clocks(now))
	if off == 0 || r.job.Log.Ledger.Facts().Paused != "" || r.stop != nil {
		return
	}
	where := "forward"
	if off < 0 {
		where = "back"
	}
	why := fmt.Sprintf("this machine's clock was set %s by %s; make sure that it is right, and then let the run continue", where, off.Abs().Round(time.Second))
	if err := r.job.Log.Command(now, ledger.Command{Verb: record.VerbPause, By: "cohort itself", Reason: why}); err != nil {
		r.logFailed(err)
		return
	}
	r.clockSet = true
	r.apply(ledger.Command{Verb: record.VerbPause})
}

// lookAtWindow begins a stretch when a window has opened, and says when the window will
// not hold what is left.
func (r *run) checkWindow(s Snapshot) {
	o, ok := pace.NextOpening(r.job.Pace, s.At)
	left := ledger.Unsent(s.Account)
	ending := r.stop != nil || r.job.OneWindow && !o.Opens.Equal(r.gate.Only.Opens) // then o is the window after it
	if !ok || ending {
		r.tempo.Set(func(t *pace.Controller) { t.Left = left })
		return
	}
	r.checkFinish(o, left, s.At)
	if r.job.Pace.Window == nil {
		r.tempo.Set(func(t *pace.Controller) { t.Left = left })
		return
	}
	begun := o.IsOpen(s.At) && r.job.Log.Ledger.Facts().Stretch.Opens.Equal(o.Opens)
	stretch := r.job.Log.Ledger.Facts().Stretch
	if o.IsOpen(s.At) && !begun {
		stretch = pace.WindowStart{Opens: o.Opens, Begun: s.At.UTC().Round(0), Left: left}
		if err := r.beginStretch(stretch, s.At); err != nil {
			r.logFailed(err)
			return
		}
	}
	r.tempo.Set(func(t *pace.Controller) { t.Left, t.Stretch = left, stretch })
	rate := r.tempo.Lasting(o, s.At)
	switch short := pace.Remaining(o, left, rate, s.At); {
	case short == 0:
		r.short = time.Time{}
	case short > int64(r.job.Plan.Largest) && !r.short.Equal(o.Opens):
		r.short = o.Opens
		then := "they are sent from the next window on"
		if r.job.OneWindow {
			then = "the run then ends, and can be resumed (--one-window)"
		}
		r.job.Logger.Warn(fmt.Sprintf("the window will not hold all: at %.4g/s %d messages will remain at %s; %s",
			rate, short, o.Closes.In(r.job.Pace.Location).Format("15:04 on Mon 2 Jan"), then))
	}
}

// lookAtFinish says when the time that a person has asked for will not be kept. The rate
// stays what it is: it was settled when he asked, and nothing that was lost since is made up
// in a hurry.
func (r *run) checkFinish(o pace.Opening, left int64, now time.Time) {
	by := r.job.Log.Ledger.Facts().Override.FinishBy
	if !by.After(now) {
		return
	}
	rate := r.tempo.Lasting(o, now)
	switch short := pace.Remaining(pace.Opening{Opens: o.Opens, Closes: by}, left, rate, now); {
	case short == 0:
		r.late = false
	case short > int64(r.job.Plan.Largest) && !r.late:
		r.late = true
		r.job.Logger.Warn(fmt.Sprintf("the time to finish by will not be kept: at %.4g/s %d messages will remain at %s; they are sent afterwards at the same rate",
			rate, short, by.Format("15:04 on Mon 2 Jan")))
	}
}

// beginStretch notes in the log what the run sets out to send in a window, where the rate
// depends on it.
func (r *run) beginStretch(s pace.WindowStart, now time.Time) error {
	if !r.job.Pace.Spread && r.job.Pace.CatchUp <= 1 {
		r.job.Log.Ledger.BeginWindow(s) // nothing hangs on it after a restart
		return nil
	}
	detail, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return r.job.Log.Control(now, record.ControlStretch, string(detail))
}
