package campaign

import (
	"math"
	"regexp"
	"strconv"
	"time"
)

var hoursForm = regexp.MustCompile(`^(\d{2}):(\d{2})\s*-\s*(\d{2}):(\d{2})$`)

// pace reads the pace. A missing section means the national window if window is true. A section
// without a window means any time of day.
func (l *loader) pace(c *Campaign, s *paceSection, window bool) {
	p := Pace{Messages: defaultMessages, CatchUp: 1, LastCall: defaultLastCall}
	zone := defaultTimezone
	if s == nil {
		if window {
			p.Window = &Hours{From: 6 * 60, To: 22 * 60}
		}
		s = &paceSection{}
	}
	if s.Window != nil {
		p.Window = l.hours(*s.Window)
	}
	within(l, "pace.messages", &p.Messages, s.Messages, 1, math.MaxInt64, "")
	if s.Messages != nil && p.Window == nil {
		l.wrong("pace.messages", "is the capacity of a window and needs pace.window; without a window set pace.per_second")
	}
	set(&zone, s.Timezone)
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		l.wrong("pace.timezone", "must be the name of a time zone such as Europe/London, not %q", zone)
		location = time.UTC
	}
	p.Location = location
	within(l, "pace.per_second", &p.PerSecond, s.PerSecond, 0, 1e9, " messages a second; 0 is no limit")
	if p.Spread = s.Spread; p.Spread && p.Window == nil {
		l.wrong("pace.spread", "spreads the cohort over a window and needs pace.window")
	}
	within(l, "pace.catch_up", &p.CatchUp, s.CatchUp, 1, 100, "; 1 makes up no lost time")
	l.duration("pace.last_call", &p.LastCall, s.LastCall, 0)
	if p.Window != nil && p.LastCall >= time.Duration(p.Window.nominalMinutes())*time.Minute {
		l.wrong("pace.last_call", "is as long as the window, so nothing could be sent")
	}
	if s.Until != nil {
		day, err := time.ParseInLocation(time.DateOnly, *s.Until, location)
		if err != nil {
			l.wrong("pace.until", "must be a date such as 2026-12-01, not %q", *s.Until)
		}
		p.Until = day.AddDate(0, 0, 1) // the day itself still counts
	}
	c.Pace = p
}

// hours reads a window such as 06:00-22:00. It may end at 24:00.
func (l *loader) hours(text string) *Hours {
	m := hoursForm.FindStringSubmatch(text)
	if m == nil {
		l.wrong("pace.window", "must be two times of day such as \"06:00-22:00\", not %q", text)
		return &Hours{To: 24 * 60}
	}
	minutes := func(hour, minute string) int {
		h, _ := strconv.Atoi(hour)
		m, _ := strconv.Atoi(minute)
		if m > 59 {
			return -1
		}
		return h*60 + m
	}
	h := &Hours{From: minutes(m[1], m[2]), To: minutes(m[3], m[4])}
	if h.From < 0 || h.From >= 24*60 || h.To < 0 || h.To > 24*60 || h.From == h.To {
		l.wrong("pace.window", "must be two different times of day, not %q", text)
		return &Hours{To: 24 * 60}
	}
	return h
}
