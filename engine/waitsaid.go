package engine

import "time"

// waitSaid is what a person was told of a wait, so that it is said once.
type waitSaid struct {
	until time.Time // by the wall clock
	why   string
}

// say tells of a wait, unless that is what was said last.
func (s *waitSaid) say(g *gate, q question) {
	is := waitSaid{q.until.Round(time.Second), q.why}
	if s.why == is.why && (s.why == "" || s.until.Equal(is.until)) {
		return
	}
	s.over(g)
	if *s = is; s.why != "" {
		g.waits(q.until, s.why)
	}
}

// over tells that a wait that was said has ended.
func (s *waitSaid) over(g *gate) {
	if s.why != "" {
		g.waits(time.Time{}, "")
	}
	*s = waitSaid{}
}
