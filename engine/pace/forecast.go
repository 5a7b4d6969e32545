package pace

import (
	"math"
	"time"

	"cohort/engine/campaign"
)

// Day is what a window is expected to hold of a run.
type Day struct {
	Opens, Closes time.Time // Closes is zero without a window
	Rate          float64   // messages a second; 0: as fast as the service takes them
	Messages      int64
	Ends          time.Time // when the last of them goes out; zero: nobody can say
}

// mostDays is how far a forecast looks.
const mostDays = 366

// Forecast says which windows a run of messages needs from now on, in batches of at most
// largest, if nothing comes in between. left is what no window holds before pace.until, or
// within a year. It is pure.
func Forecast(p campaign.Pace, messages int64, largest int, now time.Time) (days []Day, left int64) {
	return ForecastAt(p, messages, largest, 0, now)
}

// forecast is Forecast at a rate that a person has asked for; 0: he has not.
func ForecastAt(p campaign.Pace, messages int64, largest int, asked float64, now time.Time) (days []Day, left int64) {
	left = messages
	for looked := 0; looked < mostDays && left > 0; looked++ { // also past windows that hold nothing
		o, ok := NextOpening(p, now)
		if !ok {
			break
		}
		begins := Later(now, o.Opens)
		rate := asked
		if rate == 0 {
			rate = RateAt(p, o, WindowStart{}, left, largest, begins)
		}
		d := Day{Opens: begins, Closes: o.Closes, Rate: rate, Messages: left - Remaining(o, left, rate, begins)}
		if rate > 0 {
			d.Ends = begins.Add(time.Duration(math.Round(float64(d.Messages) / rate * float64(time.Second))))
		}
		left -= d.Messages
		if d.Messages > 0 {
			days = append(days, d)
		}
		if o.Closes.IsZero() {
			break
		}
		now = o.Closes
	}
	return days, left
}
