package intake

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/pace"
	"cohort/engine/refusal"
	"cohort/engine/register"
)

// Forecast describes what a send would do. It is also what plan --json prints.
type Forecast struct {
	Messages    int64              `json:"messages"`
	Batches     int                `json:"batches"`
	Largest     int                `json:"largest_batch"` // in messages
	Bytes       int64              `json:"bytes"`         // of all requests
	LargestBody int                `json:"largest_body"`  // in bytes
	Days        []forecastDay      `json:"days"`
	Left        int64              `json:"left"` // messages without a day before pace.until
	Pace        string             `json:"pace"` // the rate, what decides it, the first and the last request
	Widest      int                `json:"widest_day"`
	Requests    float64            `json:"requests_per_minute"` // at the highest rate; 0 where the service sets the pace
	Quota       int                `json:"quota_per_minute"`
	Callbacks   float64            `json:"callbacks_per_second,omitempty"`     // of NHS Notify at the highest rate; 0: not known
	Ask         int                `json:"callback_rate_to_ask_for,omitempty"` // likewise
	Reach       *reached           `json:"reach,omitempty"`
	Overlap     *register.Overlaps `json:"overlap,omitempty"`

	Campaign *campaign.Campaign `json:"-"`
}

type forecastDay struct {
	Opens     time.Time  `json:"opens"`
	Closes    *time.Time `json:"closes,omitempty"`
	PerSecond float64    `json:"per_second"` // 0: as fast as the service takes them
	Messages  int64      `json:"messages"`
	Ends      *time.Time `json:"ends,omitempty"`
}

// Add adds up the batches of a cohort, and forecasts when they would be sent.
func (f *Forecast) Add(_ context.Context, cut *Cut) error {
	for b, err := range cut.Batches.Each() {
		if err != nil {
			return refusal.New("plan_not_cut", "cause", err)
		}
		if b.Messages == 0 {
			continue
		}
		f.Batches++
		f.Messages += int64(b.Messages)
		f.Bytes += int64(b.Bytes)
		f.Largest, f.LargestBody = max(f.Largest, int(b.Messages)), max(f.LargestBody, int(b.Bytes))
	}
	f.expect(time.Now())
	return nil
}

// expect forecasts when the batches would be sent, from now on.
func (f *Forecast) expect(now time.Time) {
	f.Quota = f.Campaign.Quota()
	out := pace.Forecast(pace.Facts{Pace: f.Campaign.Pace, Left: f.Messages, Largest: f.Largest}, now)
	if f.Left = out.Left; f.Campaign.File == nil && f.Messages > 0 {
		f.Pace = out.Text(f.Campaign.Pace.Location, now)
	}
	highest := 0.0
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.In(f.Campaign.Pace.Location).Truncate(time.Second)
		return &t
	}
	for i, d := range out.Days {
		f.Days = append(f.Days, forecastDay{*moment(d.Opens), moment(d.Closes), d.Rate, d.Messages, moment(d.Ends)})
		if d.Messages > f.Days[f.Widest].Messages {
			f.Widest = i
		}
		if each := float64(f.Messages) / float64(max(1, f.Batches)); d.Rate > 0 {
			highest = max(highest, fastest(f.Campaign.Pace, d.Rate))
			f.Requests = 60 * highest / each
		}
	}
	if f.Campaign.NHSApp == nil && f.Campaign.File == nil && highest > 0 {
		f.Callbacks = callbacksEach * highest
		unit := math.Pow10(int(math.Log10(f.Callbacks)) - 1)
		f.Ask = int(max(usualCallbacks, math.Ceil(f.Callbacks/unit)*unit)) // two digits and noughts
		if f.callbackTime() <= lateCallbacks {
			f.Ask = usualCallbacks
		}
	}
}

// fastest returns the rate at which a run makes up for lost time. even is its rate otherwise.
func fastest(p campaign.Pace, even float64) float64 {
	if p.Window == nil {
		return even
	}
	rate := even * max(1, p.CatchUp)
	if p.PerSecond > 0 {
		rate = min(rate, p.PerSecond)
	}
	return rate
}

// NHS Notify calls back about each status of a message (pending_enrichment, enriched, sending, delivered) and of its
// channel (created, sending, delivered); further channels make it more. The usual rate is that without another agreement.
const (
	callbacksEach  = 7
	usualCallbacks = 10 // a second
	lateCallbacks  = 2 * time.Hour
)

// callbackTime returns the time for the callbacks of all messages, at the usual rate.
func (f *Forecast) callbackTime() time.Duration {
	return time.Duration(callbacksEach*f.Messages) * time.Second / usualCallbacks
}

func (f *Forecast) printCallbacks(w io.Writer) {
	if f.Campaign.NHSApp != nil || f.Campaign.File != nil {
		return
	}
	fmt.Fprintf(w, "callbacks about %d for each message, if you ask for all statuses", callbacksEach)
	if f.Callbacks > 0 {
		fmt.Fprintf(w, "; %.0f a second at most", math.Ceil(f.Callbacks))
	}
	took := f.callbackTime()
	words := fmt.Sprintf("%.0f seconds", took.Seconds())
	switch {
	case took >= 72*time.Hour:
		words = fmt.Sprintf("%.0f days", took.Hours()/24)
	case took >= 2*time.Hour:
		words = fmt.Sprintf("%.0f hours", took.Hours())
	case took >= 2*time.Minute:
		words = fmt.Sprintf("%.0f minutes", took.Minutes())
	}
	switch {
	case f.Ask > usualCallbacks:
		fmt.Fprintf(w, "\n          at the usual %d a second they take %s; ask NHS Notify for %d a second (rounded up): docs/callbacks.md\n", usualCallbacks, words, f.Ask)
	case f.Ask > 0:
		fmt.Fprintf(w, "\n          at the usual %d a second they take %s, so there is no rate to ask for\n", usualCallbacks, words)
	default:
		fmt.Fprintf(w, "\n          at the usual %d a second they take %s: docs/callbacks.md\n", usualCallbacks, words)
	}
}

func (f *Forecast) Print(w io.Writer) {
	const clock = "Mon 2 Jan 15:04"
	fmt.Fprintf(w, "messages  %d in %d batches of at most %d, %d MB of requests, the largest of %d bytes\n", f.Messages, f.Batches, f.Largest, f.Bytes/1_000_000, f.LargestBody)
	if f.Reach != nil {
		f.Reach.Print(w)
	}
	if f.Pace != "" {
		fmt.Fprintf(w, "pace      if it began now: %s\n", f.Pace)
	}
	for i, d := range f.Days {
		fmt.Fprintf(w, "day %-5d from %s", i+1, d.Opens.Format(clock))
		if d.Closes != nil {
			fmt.Fprintf(w, " to %s at the latest", d.Closes.Format("15:04"))
		}
		rate := "as fast as the service takes them"
		if d.PerSecond > 0 {
			rate = fmt.Sprintf("%.4g a second", d.PerSecond)
		}
		fmt.Fprintf(w, ": %d messages, %s", d.Messages, rate)
		if d.Ends != nil {
			fmt.Fprintf(w, ", the last at %s", d.Ends.Format("15:04"))
		}
		if i == f.Widest && len(f.Days) > 1 {
			fmt.Fprint(w, " (the widest day)")
		}
		fmt.Fprintln(w)
		if i == 13 && len(f.Days) > 15 {
			fmt.Fprintf(w, "          and %d days more, until %s\n", len(f.Days)-14, f.Days[len(f.Days)-1].Opens.Format("Mon 2 Jan 2006"))
			break
		}
	}
	if f.Left > 0 {
		fmt.Fprintf(w, "left      %d messages have no day before pace.until, or within a year\n", f.Left)
	}
	if f.Requests > 0 {
		within := "within"
		if f.Requests > float64(f.Quota) {
			within = "ABOVE"
		}
		fmt.Fprintf(w, "requests  %.4g a minute at most, %s the service's quota of %d\n", math.Ceil(f.Requests*100)/100, within, f.Quota)
	}
	f.printCallbacks(w)
	f.Overlap.Print(w)
	fmt.Fprintln(w, "whether other runs of this campaign stand in the way shows when it is sent")
}
