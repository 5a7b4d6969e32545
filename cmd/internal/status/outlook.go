package status

import (
	"fmt"
	"io"
	"strings"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/pace"
	"cohort/ingest/person"
)

// Waiting has the reason and the end of a wait.
type Waiting struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// Rate is the rate of the process at work.
type Rate struct {
	PerSecond float64 `json:"per_second"`         // accepted over the last half minute or so
	Allowed   float64 `json:"allowed_per_second"` // 0: any
	Rule      string  `json:"rule"`               // what decides it
	Even      float64 `json:"even_per_second"`    // of the campaign's own pace; 0: any
}

// Window is the window that is open or comes next.
type Window struct {
	Opens  *time.Time `json:"opens,omitempty"`
	Closes *time.Time `json:"closes,omitempty"`
	Remain int64      `json:"remain"` // messages that it will not hold
}

// expect fills in what the run does next, from the process at work or, without one, from the
// campaign's window. Paused has a pause, and nobody knows its end.
func (s *Status) expect(p campaign.Pace) {
	now := s.Live
	if now == nil {
		next, _ := pace.NextOpening(p, time.Now())
		s.Window = windowOf(next.Opens, next.Closes, 0)
		s.GoOnBy = s.goOnBy(p, next, time.Now())
		return
	}
	out := now.Expected
	s.Key = now.Key
	s.Window = windowOf(out.Opens, out.Closes, out.Remain)
	if now.Paused || s.Paused != "" { // the log knows of a pause before the next snapshot
		s.GoOnBy = s.goOnBy(p, pace.Opening{Opens: out.Opens, Closes: out.Closes}, time.Now())
		return
	}
	if now.Waiting != "" {
		s.Waiting = &Waiting{now.Waiting, now.Until.UTC()}
	}
	even := pace.Facts{Pace: p, Window: s.stretch, Left: now.Left}.Even(now.At)
	s.Rate = &Rate{now.Speed, now.Rate, out.Rule, even}
	s.First, s.ExpectedEnd = moment(out.First.Truncate(time.Second)), moment(out.Last.Truncate(time.Second))
}

// goOnBy is the time by which a run that sends nothing must go on, so that the open window holds all that is left at the
// campaign's highest rate; nil: there is no such time, or it has passed.
func (s *Status) goOnBy(p campaign.Pace, o pace.Opening, now time.Time) *time.Time {
	left := s.Fates[person.NotSent] + s.Fates[person.InDoubt]
	rate, _ := pace.Ceiling(p, now)
	if p.Spread {
		rate = pace.Facts{Pace: p, Window: s.stretch, Left: left}.Even(now) * max(1, p.CatchUp)
	}
	if rate == 0 || left == 0 || !s.ended() && s.Paused == "" || o.Closes.IsZero() || !o.IsOpen(now) || s.PaceLever != nil {
		return nil
	}
	if by := o.Closes.Add(-time.Duration(float64(left) / rate * float64(time.Second))); by.After(now) {
		return moment(by.Truncate(time.Minute))
	}
	return nil
}

func windowOf(opens, closes time.Time, remain int64) *Window {
	if opens.IsZero() && closes.IsZero() {
		return nil
	}
	return &Window{moment(opens), moment(closes), remain}
}

// printExpected writes what the run does next.
func (s *Status) printExpected(w io.Writer) {
	now, zone := time.Now(), s.in(time.Now()).Location()
	if s.Waiting != nil {
		fmt.Fprintf(w, "waiting   %s\n", pace.Wait{Why: s.Waiting.Reason, Until: s.Waiting.Until}.Text(zone, now))
	} else if s.Rate != nil {
		rule := ""
		if s.Rate.Rule != "" { // a process of an older version does not say
			rule = " (" + s.Rate.Rule + ")"
		}
		rate := fmt.Sprintf("rate      %.1f a second now, %s allowed%s  %s",
			s.Rate.PerSecond, allowedRate(s.Rate.Allowed), rule, bars(s.rates))
		fmt.Fprintln(w, strings.TrimRight(rate, " "))
	}
	if s.Key != nil {
		fmt.Fprintf(w, "key       %s: %d of %d requests in the last minute; %s\n", s.Key.Share, s.Key.Requests, s.Key.Quota, s.Key.Others())
	}
	if s.First != nil {
		fmt.Fprintf(w, "first     request at %s\n", pace.Clock(*s.First, zone, now))
	}
	if s.ExpectedEnd != nil {
		fmt.Fprintf(w, "done      at about %s, if nothing comes in between\n",
			s.ExpectedEnd.In(zone).Format("Mon 2 Jan 15:04:05 MST"))
	}
	if s.Rate != nil && s.Window != nil && s.Window.Remain > 0 {
		fmt.Fprintf(w, "window    %d messages will remain when it closes at %s\n",
			s.Window.Remain, s.Window.Closes.In(zone).Format("15:04 MST"))
	}
}

func allowedRate(rate float64) string {
	if rate == 0 {
		return "any rate"
	}
	return pace.Figure(rate)
}
