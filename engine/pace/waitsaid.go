package pace

import (
	"time"
)

// windowClosed is why a run waits for its window.
const windowClosed = "the window is closed"

// WaitText says what a run waits for and until when, which is told in until's own time zone.
func WaitText(why string, until, now time.Time) string {
	layout, next := "15:04:05", "next try"
	if why == windowClosed {
		next = "it opens"
	}
	if until.Format(time.DateOnly) != now.In(until.Location()).Format(time.DateOnly) {
		layout = "Mon 2 Jan 15:04"
	}
	return why + "; " + next + " " + until.Format(layout)
}

// waitSaid is what a person was told of a wait, so that it is said once.
type WaitNotice struct {
	until time.Time // by the wall clock
	why   string
}

// say tells of a wait, unless that is what was said last.
func (s *WaitNotice) Say(g *Gate, q Wait) {
	is := WaitNotice{q.Until.Round(time.Second), q.Why}
	if s.why == is.why && (s.why == "" || s.until.Equal(is.until)) {
		return
	}
	s.Over(g)
	if *s = is; s.why != "" {
		g.waits(q.Until, s.why)
	}
}

// over tells that a wait that was said has ended.
func (s *WaitNotice) Over(g *Gate) {
	if s.why != "" {
		g.waits(time.Time{}, "")
	}
	*s = WaitNotice{}
}
