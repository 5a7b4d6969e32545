package pace

import (
	"math"
	"time"
)

// congestion is the part of the rate that the service takes. After a quiet that the service asked for, requests come
// back gradually. A service that goes on refusing gets fewer requests until it has taken those for a while. A rare
// refusal changes nothing. The zero value is ready.
type congestion struct {
	quiet   time.Time     // nothing may be sent before
	ramp    time.Duration // the time from the end of the quiet to the full rate
	lowered float64       // the part of the rate that is taken away; 0: none
	steady  time.Time     // the end of the quiet that lowered the rate last
	refused time.Time     // when the service last refused because of its load
	counted bool          // this quiet has lowered the rate, or must not
	inRow   int           // quiets since the last good answer
	answers float64       // the number of answers in recent, at most recentAnswers
	recent  float64       // the part of the latest answers that were refusals; old answers count less
}

const (
	longRamp      = 30 * time.Second // from a tenth of the rate to all of it, after a quiet as long or longer
	shortRamp     = 3 * time.Second  // the least, after a short quiet
	leastShare    = 0.1
	sameTrouble   = 10 * time.Minute // refusals this close together have one cause
	recentAnswers = 50
	mostRefused   = 0.125 // of the latest answers: more is not chance
	lowerBy       = 0.7
	raiseEvery    = time.Minute // one lowering is taken back after this time without another
	lowestFactor  = 0.05
	slowRequests  = 1 // requests a second: at a slower pace each answer tells much
)

// share returns the part of the rate that may be used at now, above 0 and at most 1.
func (c *congestion) share(now time.Time) float64 {
	share := c.factor(now)
	if since := now.Sub(c.quiet); !c.quiet.IsZero() && since < c.ramp {
		share *= leastShare + (1-leastShare)*max(0, since.Seconds())/c.ramp.Seconds()
	}
	return share
}

// factor is share without the ramp after a quiet, which is soon over.
func (c *congestion) factor(now time.Time) float64 {
	raised := max(0, now.Sub(c.steady)/raiseEvery)
	return min(1, (1-c.lowered)/math.Pow(lowerBy, float64(raised)))
}

// answered counts an answer that was no refusal.
func (c *congestion) answered() {
	c.inRow = 0
	c.count(0)
}

func (c *congestion) count(refused float64) {
	c.answers = min(c.answers+1, recentAnswers)
	c.recent += (refused - c.recent) / c.answers
}

// refusal counts an attempt that the service refused because of its load, asking for quiet
// until a moment. It reports whether that lowered the rate; one quiet does so once at most.
//
// The first refusal lowers nothing. A further refusal within ten minutes does, when many of
// the latest answers were refusals, or when nothing went well between several quiets: two at
// a slow pace, three at a fast one, since chance puts two in a row among many answers.
func (c *congestion) refusal(attempted, now, until time.Time, slow bool) (lowered bool) {
	c.count(1)
	again := !c.refused.IsZero() && now.Sub(c.refused) < sameTrouble
	if attempted.After(c.refused) && now.After(c.quiet) { // else it was under way at the refusal before
		if !again {
			c.inRow = 0
		}
		c.inRow, c.counted = c.inRow+1, !again
		c.ramp = 0
	}
	if row := c.inRow > 2 || slow && c.inRow > 1; !c.counted && (row || c.recent > mostRefused) {
		c.lowered = 1 - max(lowestFactor, c.factor(now)*lowerBy)
		c.steady, c.counted, lowered = until, true, true
	}
	c.refused = now
	c.quiet = Later(c.quiet, until)
	c.ramp = max(c.ramp, min(longRamp, max(shortRamp, until.Sub(now))))
	return lowered
}
