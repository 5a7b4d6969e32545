package pace

import (
	"math"
	"sync"
	"time"

	"cohort/engine/campaign"
)

// Stretch is what a run set out to send in one window: from when, and how much. It stands
// in the log where the rate depends on it, so that a restart within the window goes on
// with it.
type WindowStart struct {
	Opens time.Time `json:"opens"` // of the window
	Begun time.Time `json:"begun"` // when the run could first send in it
	Left  int64     `json:"left"`  // messages that were not sent then
}

// RateAt is how many messages a second may be sent at now, with left messages not sent
// yet; 0 is no limit. It is pure.
//
// Without a window that is the pace's rate. With one it is the even rate: the window's
// capacity over its length or, with spread, the stretch's messages over its length. A run
// that has fallen behind the even line by more than slack messages goes faster, by at most
// catch_up; one that spreads and is ahead goes slower.
func RateAt(p campaign.Pace, o Opening, s WindowStart, left int64, slack int, now time.Time) float64 {
	if p.Window == nil || o.Closes.IsZero() {
		return o.Rate
	}
	if !s.Opens.Equal(o.Opens) { // it begins now, or when the window opens
		s = WindowStart{Opens: o.Opens, Begun: Later(now, o.Opens), Left: left}
	}
	even := o.Rate
	if p.Spread {
		even = float64(s.Left) / max(o.Closes.Sub(s.Begun).Seconds(), 1)
	}
	rate := even
	behind := even*now.Sub(s.Begun).Seconds() - float64(s.Left-left)
	switch {
	case p.Spread:
		rate = min(float64(left)/max(o.Closes.Sub(Later(now, o.Opens)).Seconds(), 1), even*max(1, p.CatchUp))
	case behind > float64(slack):
		rate = even * max(1, p.CatchUp)
	}
	if p.PerSecond > 0 {
		rate = min(rate, p.PerSecond)
	}
	return max(rate, slowest)
}

// slowest is the least rate, messages a second, at which a run goes on: 0 would be none.
const slowest = 1e-6

// Remaining is how many of left messages a window will not hold at a rate; 0 when it holds
// them all, or does not end. It is pure.
func Remaining(o Opening, left int64, rate float64, now time.Time) int64 {
	if o.Closes.IsZero() || rate == 0 {
		return 0
	}
	open := o.Closes.Sub(Later(now, o.Opens)).Seconds()
	return max(0, left-int64(math.Round(rate*max(0, open)))) // a rate that spreads just left comes out a hair above it or below
}

// tempo says how fast the run may send at a moment. The loop tells it what it needs to
// know; workers ask it behind the gate. It is safe for concurrent use.
type Controller struct {
	Pace  campaign.Pace
	Slack int // messages: what may be missing from the even line without being late

	mu      sync.Mutex
	Stretch WindowStart
	Left    int64
	Lever   Override
	Load    Congestion
}

// rate is what may be sent at now in an opening, messages a second; 0: no limit.
func (t *Controller) Rate(o Opening, now time.Time) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	rate := t.Planned(o, now)
	if rate == 0 {
		return 0
	}
	return max(slowest, rate*t.Load.share(now))
}

// planned is the rate without what the service's refusals make of it.
func (t *Controller) Planned(o Opening, now time.Time) float64 {
	switch {
	case t.Lever.PerSecond > 0 && !t.Lever.FinishBy.IsZero() && t.Pace.PerSecond > 0:
		return min(t.Lever.PerSecond, t.Pace.PerSecond)
	case t.Lever.PerSecond > 0:
		return t.Lever.PerSecond
	}
	return RateAt(t.Pace, o, t.Stretch, t.Left, t.Slack, now)
}

// lasting is rate without the slow start after a quiet, which is over in a moment: what is
// foretold goes by it.
func (t *Controller) Lasting(o Opening, now time.Time) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Planned(o, now) * t.Load.Factor(now)
}

// pool is the share of the requests that may be under way at once.
func (t *Controller) Pool(now time.Time) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Load.share(now)
}

func (t *Controller) Set(change func(t *Controller)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(t)
}
