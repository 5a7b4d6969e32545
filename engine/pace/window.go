package pace

import (
	"slices"
	"time"

	"cohort/engine/campaign"
)

// Opening is a span of time: requests may start in it.
type Opening struct {
	Opens  time.Time // zero without a window
	Closes time.Time // no request starts at or after this; zero: it never closes
	Rate   float64   // messages a second, when they are spread evenly; 0: as fast as the service takes them
}

// IsOpen reports whether requests may start at now.
func (o Opening) IsOpen(now time.Time) bool {
	return !now.Before(o.Opens) && (o.Closes.IsZero() || now.Before(o.Closes))
}

// NextOpening returns the span that now lies in or, outside one, the next. ok is false when
// there is none before pace.until. It follows the clock of the campaign's time zone: a window
// over a clock change is an hour shorter or longer, and its even rate follows. It is pure.
func NextOpening(p campaign.Pace, now time.Time) (o Opening, ok bool) {
	if p.Window == nil {
		o = Opening{Closes: p.Until, Rate: p.PerSecond}
		return o, p.Until.IsZero() || now.Before(p.Until)
	}
	for day := -1; ; day++ {
		opens, closes := openingOn(p, now, day)
		if !now.Before(closes) || !opens.Before(closes) {
			continue // it is over, or the clock change left nothing of it
		}
		// The last call ends the window, so that a cohort of just its capacity is done.
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

// openingOn returns the times of the window that opens some days after now's date. It closes at its last call.
func openingOn(p campaign.Pace, now time.Time, days int) (opens, closes time.Time) {
	year, month, day := now.In(p.Location).Date()
	clock := func(day, minutes int) time.Time {
		return time.Date(year, month, day, 0, minutes, 0, 0, p.Location)
	}
	day += days
	opens, closes = clock(day, p.Window.From), clock(day, p.Window.To)
	if p.Window.To <= p.Window.From {
		closes = clock(day+1, p.Window.To)
	}
	return opens, closes.Add(-p.LastCall)
}

// Later returns the later of two times.
func Later(a, b time.Time) time.Time { return slices.MaxFunc([]time.Time{a, b}, time.Time.Compare) }

// Sooner returns the earlier of two times.
func Sooner(a, b time.Time) time.Time { return slices.MinFunc([]time.Time{a, b}, time.Time.Compare) }
