package pace

import (
	"time"

	"cohort/engine/campaign"
)

// slowest is the least rate, messages a second, of a run that has a rate: 0 would be no limit.
const slowest = 1e-6

// Override is a rate that a person has ordered in place of the campaign's. The zero value is
// none. Its keys stand in the progress log.
//
// With FinishBy, PerSecond was computed once, when it was ordered, from what was left then.
// What is lost later is not made up.
type Override struct {
	PerSecond float64   `json:"per_second,omitempty"` // messages a second
	FinishBy  time.Time `json:"finish_by,omitzero"`   // what is left is spread until then
}

// WindowStart notes what a run had left when it could first send in a window. It stands in
// the progress log where the rate depends on it, so that a restart keeps the rate.
type WindowStart struct {
	Opens time.Time `json:"opens"` // of the window
	Begun time.Time `json:"begun"` // when the run could first send in it
	Left  int64     `json:"left"`  // messages that were not sent then
}

// Facts are what the rate and the forecast of a run follow from.
type Facts struct {
	Pace     campaign.Pace
	Override Override
	Window   WindowStart // of the window that the run sent in last
	Left     int64       // messages that are not sent yet
	Largest  int         // messages in the largest batch
	Began    time.Time   // when the process began, while it has sent nothing; zero: now
	Hold     time.Time   // the end of a quiet that the service asked for
	Taken    float64     // messages a second that the service took of late; 0: unknown
	Factor   float64     // the part of the rate that a congested service gets; 0: all
}

// rateAt returns the messages a second that may be sent at now in an opening; 0 is no limit.
// It is pure, and leaves congestion out.
//
// With an override that is the override's rate. Without a window it is the campaign's per_second. With a window it is
// the even rate: the window's capacity over its length or, with spread, what the run had left at its start over the
// rest of the window. A run that is behind that line by more than two batches goes faster, by at most catch_up. A run
// that spreads and is ahead goes slower.
func (f Facts) rateAt(o Opening, now time.Time) float64 {
	p := f.Pace
	switch {
	case f.Override.PerSecond > 0 && !f.Override.FinishBy.IsZero() && p.PerSecond > 0:
		return min(f.Override.PerSecond, p.PerSecond)
	case f.Override.PerSecond > 0:
		return f.Override.PerSecond
	case p.Window == nil || o.Closes.IsZero():
		return o.Rate
	}
	begins := Later(now, o.Opens)
	even, s := f.even(o, begins)
	rate := even
	behind := even*now.Sub(s.Begun).Seconds() - float64(s.Left-f.Left)
	switch {
	case p.Spread:
		rate = min(float64(f.Left)/max(o.Closes.Sub(begins).Seconds(), 1), even*max(1, p.CatchUp))
	case behind > float64(2*f.Largest):
		rate = even * max(1, p.CatchUp)
	}
	if p.PerSecond > 0 {
		rate = min(rate, p.PerSecond)
	}
	return max(rate, slowest)
}

// Even returns the even rate of a campaign's own pace, messages a second, in the opening that is now or comes next. A run
// that lost time may go faster. 0: as fast as the service takes them.
func (f Facts) Even(now time.Time) float64 {
	o, _ := NextOpening(f.Pace, now)
	if f.Pace.Window == nil || o.Closes.IsZero() {
		return o.Rate
	}
	even, _ := f.even(o, Later(now, o.Opens))
	return even
}

// even is Even in an opening with a window, for a run that begins in it at a time unless it has begun before.
func (f Facts) even(o Opening, begins time.Time) (rate float64, s WindowStart) {
	if s = f.Window; !s.Opens.Equal(o.Opens) {
		s = WindowStart{Opens: o.Opens, Begun: begins, Left: f.Left}
	}
	if f.Pace.Spread {
		return float64(s.Left) / max(o.Closes.Sub(s.Begun).Seconds(), 1), s
	}
	return o.Rate, s
}

// Ceiling returns the highest rate of a campaign's own pace, messages a second, and the keys
// that set it. 0: it has none.
func Ceiling(p campaign.Pace, now time.Time) (rate float64, keys string) {
	o, ok := NextOpening(p, now)
	switch {
	case p.PerSecond > 0:
		return p.PerSecond, "pace.per_second"
	case !ok || p.Window == nil || p.Spread:
		return 0, ""
	case p.CatchUp > 1:
		return o.Rate * p.CatchUp, "pace.messages over pace.window, times pace.catch_up"
	}
	return o.Rate, "pace.messages over pace.window"
}
