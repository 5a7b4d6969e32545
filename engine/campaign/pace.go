package campaign

import (
	"math"
	"regexp"
	"strconv"
	"strings"
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
	l.share(&p, s)
	c.Pace = p
}

// mostQuota is far above what any service takes.
const mostQuota = 600_000

func (l *loader) share(p *Pace, s *paceSection) {
	if s.Share != nil {
		p.Share = Share{Name: *s.Share, Weight: 1}
		if !nameForm.MatchString(p.Share.Name) {
			l.wrong("pace.share", "may have only a-z, 0-9 and hyphens, at most 64 of them; it is %.70q", p.Share.Name)
		}
	}
	within(l, "pace.weight", &p.Share.Weight, s.Weight, 1, 1000, "")
	within(l, "pace.quota", &p.Quota, s.Quota, 1, mostQuota, " requests a minute")
	lane := "bulk"
	set(&lane, s.Lane)
	l.oneOf("pace.lane", lane, "bulk", "urgent")
	p.Share.Urgent = lane == "urgent"
	for _, key := range []string{"pace.weight", "pace.lane"} {
		if l.has(key) && s.Share == nil {
			l.wrong(key, "is about the runs that share a key, and needs pace.share")
		}
	}
}

// Quota is the number of requests a minute that an application may make of the campaign's service: 1,200, except at the
// NHS App's production, unless the campaign says another.
func (c *Campaign) Quota() int {
	switch {
	case c.Pace.Quota > 0:
		return c.Pace.Quota
	case c.NHSApp != nil && strings.HasPrefix(c.NHSApp.BaseURL, "https://api.service.nhs.uk/"):
		return 24_000
	}
	return 1200
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
