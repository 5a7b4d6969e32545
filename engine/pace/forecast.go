package pace

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Outlook holds the expectations for a run if nothing comes in between. A time is zero when nobody can say.
type Outlook struct {
	Opens  time.Time // of the window that is open or comes next; zero without a window
	Closes time.Time // of that window: its last call
	Rate   float64   // messages a second in it; 0: as fast as the service takes them
	Rule   string    // what decides the rate
	First  time.Time // when the process sends its first request
	Last   time.Time // when the run sends its last request
	Remain int64     // messages that this window will not hold
	Late   int64     // messages that will not be sent by the override's FinishBy
	Days   []Day     `json:"-"`
	Left   int64     // messages that no window holds before pace.until, or within a year
}

// Day is the part of a run that one window is expected to hold.
type Day struct {
	Opens, Closes time.Time // from when the run can send; Closes is zero without a window
	Rate          float64   // messages a second; 0: as fast as the service takes them
	Messages      int64
	Ends          time.Time // when the last of them goes; zero: nobody can say
}

// mostDays is the number of windows that a forecast looks at.
const mostDays = 366

// Forecast computes when a run sends its remaining messages. Every place that shows an
// expected rate or end asks it. It is pure.
func Forecast(f Facts, now time.Time) (out Outlook) {
	out.Left = f.Left
	at := now
	for looked := range mostDays {
		o, ok := NextOpening(f.Pace, at)
		if !ok {
			break
		}
		d := Day{Opens: Later(Later(at, o.Opens), f.Hold), Closes: o.Closes}
		d.Rate = f.expected(o, d.Opens)
		d.Messages = out.Left - remaining(d.Opens, o.Closes, out.Left, d.Rate)
		starts := d.Opens
		if looked == 0 {
			out.Opens, out.Closes, out.Rate, out.Rule = o.Opens, o.Closes, d.Rate, f.rule(d.Rate)
			wait := time.Duration(0) // until a batch is due
			if d.Rate > 0 {
				wait = seconds(float64(f.Largest) / d.Rate)
			}
			if out.First = Later(d.Opens, cmp.Or(f.Began, at).Add(wait)); out.First.After(d.Opens) {
				starts = out.First.Add(-wait)
			}
			out.Remain = out.Left - d.Messages
			if by := f.Override.FinishBy; by.After(now) {
				out.Late = remaining(d.Opens, by, out.Left, d.Rate)
			}
		}
		if d.Rate > 0 {
			d.Ends = starts.Add(seconds(float64(d.Messages) / d.Rate))
		}
		out.Left -= d.Messages
		f.Left = out.Left
		if d.Messages > 0 {
			out.Days = append(out.Days, d)
		}
		if o.Closes.IsZero() || out.Left == 0 {
			break
		}
		at = o.Closes
	}
	if out.Left == 0 && len(out.Days) > 0 {
		out.Last = out.Days[len(out.Days)-1].Ends
	}
	return out
}

// expected is the rate at which the run will send: the one that it may. Without a limit, or
// when the service takes less than a third of it, it is the rate at which the service takes
// messages. Smaller differences come from the size of the batches.
func (f Facts) expected(o Opening, now time.Time) float64 {
	rate := f.rateAt(o, now)
	if f.Factor > 0 {
		rate *= f.Factor
	}
	if f.Taken > 0 && (rate == 0 || f.Taken < rate/3) {
		return f.Taken
	}
	return rate
}

// remaining returns how many of some messages are not sent from begins to ends at a rate. ends zero, or rate 0: none.
func remaining(begins, ends time.Time, messages int64, rate float64) int64 {
	if ends.IsZero() || rate == 0 {
		return 0
	}
	// A rate that spreads just these messages may be a little too high or too low.
	return max(0, messages-int64(math.Round(rate*max(0, ends.Sub(begins).Seconds()))))
}

func seconds(n float64) time.Duration { return time.Duration(math.Round(n * float64(time.Second))) }

func (f Facts) rule(rate float64) string {
	p, rule := f.Pace, "pace.messages over pace.window"
	switch {
	case f.Taken > 0 && rate == f.Taken:
		return "what the service takes"
	case f.Override.PerSecond > 0:
		return "ordered with cohort pace"
	case p.Window == nil, p.PerSecond > 0 && rate >= p.PerSecond:
		return "pace.per_second"
	case p.Spread:
		rule = "pace.spread over the window"
	}
	if p.PerSecond > 0 {
		rule += "; pace.per_second, " + Figure(p.PerSecond) + ", is only the ceiling"
	}
	return rule
}

// Text says at what rate a run sends, and when its first and its last request go.
func (o Outlook) Text(zone *time.Location, now time.Time) string {
	text := "as fast as the service takes messages"
	if o.Rate > 0 {
		text = fmt.Sprintf("%s a second (%s)", Figure(o.Rate), o.Rule)
	}
	if !o.First.IsZero() {
		text += "; the first request goes at " + Clock(o.First, zone, now)
	}
	if !o.Last.IsZero() {
		text += "; the last goes at about " + Clock(o.Last, zone, now)
	}
	return text
}

// Figure writes a number with four digits, or with all that are before the point.
func Figure(n float64) string {
	if n >= 1000 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 4, 64)
}
