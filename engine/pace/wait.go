package pace

import (
	"strings"
	"time"

	"cohort/engine/campaign"
)

// Wait is a reason to start nothing, and its expected end. The zero value is none.
type Wait struct {
	Why   string
	Until time.Time
}

const (
	notYetOpen = "window not open yet"
	closedAt   = "window closed at "
)

// windowShut is the reason to start nothing outside every window: today's window has closed, or has not opened yet.
func windowShut(p campaign.Pace, now time.Time) string {
	for _, day := range []int{0, -1} { // a window over midnight opened yesterday
		_, closes := openingOn(p, now, day)
		if !closes.After(now) && closes.In(p.Location).Format(time.DateOnly) == now.In(p.Location).Format(time.DateOnly) {
			return closedAt + closes.In(p.Location).Format("15:04")
		}
	}
	return notYetOpen
}

// Text puts a wait into words, with its end in a time zone.
func (w Wait) Text(zone *time.Location, now time.Time) string {
	next := "; next try "
	switch {
	case strings.HasPrefix(w.Why, closedAt):
		next = "; opens again "
	case w.Why == notYetOpen:
		next = "; opens "
	}
	return w.Why + next + Clock(w.Until, zone, now)
}

// Clock writes a time: its time of day when it is today, else its day as well.
func Clock(t time.Time, zone *time.Location, now time.Time) string {
	t = t.In(zone)
	if t.Format(time.DateOnly) == now.In(zone).Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("Mon 2 Jan 15:04")
}
