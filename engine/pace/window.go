package pace

import (
	"time"

	"cohort/engine/campaign"
)

// Opening is a span of time in which requests may start.
type Opening struct {
	Opens  time.Time
	Closes time.Time // no request starts at or after this; zero: it never closes
	Rate   float64   // messages a second; 0: as fast as the service takes them
}

// IsOpen reports whether requests may start at now.
func (o Opening) IsOpen(now time.Time) bool {
	return !now.Before(o.Opens) && (o.Closes.IsZero() || now.Before(o.Closes))
}

// NextOpening returns the span that now lies in, or else the next one. ok is false
// when there is none before pace.until. It is pure, and follows the wall clock of the
// campaign's time zone: on the two days of a clock change a window that spans the
// change is an hour shorter or longer, and its even rate follows.
func NextOpening(p campaign.Pace, now time.Time) (o Opening, ok bool) {
	if p.Window == nil {
		o = Opening{Closes: p.Until, Rate: p.PerSecond}
		return o, p.Until.IsZero() || now.Before(p.Until)
	}
	year, month, day := now.In(p.Location).Date()
	clock := func(day, minutes int) time.Time {
		return time.Date(year, month, day, 0, minutes, 0, 0, p.Location)
	}
	for d := day - 1; ; d++ {
		opens, closes := clock(d, p.Window.From), clock(d, p.Window.To)
		if p.Window.To <= p.Window.From {
			closes = clock(d+1, p.Window.To)
		}
		closes = closes.Add(-p.LastCall)
		if !now.Before(closes) || !opens.Before(closes) {
			continue // it is over, or the clock change has left nothing of it
		}
		// The capacity is spent by the last call, so that a cohort of just that size is done.
		rate := float64(p.Messages) / closes.Sub(opens).Seconds()
		if p.PerSecond > 0 {
			rate = min(rate, p.PerSecond)
		}
		if !p.Until.IsZero() && closes.After(p.Until) {
			closes = p.Until
		}
		o = Opening{Opens: opens, Closes: closes, Rate: rate}
		return o, opens.Before(closes) && now.Before(closes)
	}
}
