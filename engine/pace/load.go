package pace

import (
	"time"
)

// load is how much of its rate a service lets the run have. After a quiet that it asked
// for, requests come back by and by and not all at once; a service that goes on refusing
// is asked for less, until it has taken what it was asked for a while. The odd refusal
// among many answers is no sign of anything. The zero value is ready.
type Congestion struct {
	quiet   time.Time     // until when nothing may be sent
	comes   time.Duration // how long requests take to come back after it
	lowered float64       // how much is taken away from the share: 0 nothing
	steady  time.Time     // when the quiet ends for which it was lowered last
	refused time.Time     // when the service last refused for load
	done    bool          // this quiet has lowered it
	inRow   int           // quiets since an answer went well
	answers float64       // that recent stands for, at most recentAnswers
	recent  float64       // the share of refusals among the latest answers, the older the less
}

const (
	slowStart     = 30 * time.Second // from a tenth of the rate to all of it, after a quiet as long or longer
	leastStart    = 3 * time.Second  // the same after a short one
	leastShare    = 0.1
	loadMemory    = 10 * time.Minute // refusals this close together are the same trouble
	recentAnswers = 50
	mostRefused   = 0.125 // of the latest answers: more is no bad luck
	lowerBy       = 0.7
	raiseEvery    = time.Minute // without another lowering one is taken back
	lowestFactor  = 0.05
)

// share is the part of the rate that may be used at now, above 0 and at most 1.
func (l *Congestion) share(now time.Time) float64 {
	share := l.Factor(now)
	if since := now.Sub(l.quiet); !l.quiet.IsZero() && since < l.comes {
		share *= leastShare + (1-leastShare)*max(0, since.Seconds())/l.comes.Seconds()
	}
	return share
}

// factor is what the refusals have left of the rate.
func (l *Congestion) Factor(now time.Time) float64 {
	factor := 1 - l.lowered
	if l.lowered == 0 {
		return 1
	}
	for n := int(now.Sub(l.steady) / raiseEvery); n > 0 && factor < 1; n-- {
		factor = min(1, factor/lowerBy)
	}
	return factor
}

// keep begins with a quiet that was asked of an earlier process.
func (l *Congestion) Keep(quiet time.Time) { l.quiet, l.comes = quiet, slowStart }

// answered notes an answer that was no refusal.
func (l *Congestion) Answered() {
	l.inRow = 0
	l.count(0)
}

func (l *Congestion) count(refused float64) {
	l.answers = min(l.answers+1, recentAnswers)
	l.recent += (refused - l.recent) / l.answers
}

// refusal notes that the service refused an attempt at now, for load, and asked for quiet until a
// moment. It reports whether that has lowered the rate, which one quiet does once at most.
// The first refusal is an incident. Another within ten minutes is a sign when many of the
// latest answers were refusals, or when nothing has gone well between them: at a slow pace
// twice in a row, elsewhere three times, as bad luck comes twice in a row among many.
func (l *Congestion) Refusal(attempted, now, until time.Time, slow bool) (lowered bool) {
	l.count(1)
	again := !l.refused.IsZero() && now.Sub(l.refused) < loadMemory
	if attempted.After(l.refused) && now.After(l.quiet) { // what was under way when it refused before is the same trouble
		if !again {
			l.inRow = 0
		}
		l.inRow, l.done = l.inRow+1, !again
		l.comes = 0
	}
	if row := l.inRow > 2 || slow && l.inRow > 1; !l.done && (row || l.recent > mostRefused) {
		l.lowered = 1 - max(lowestFactor, l.Factor(now)*lowerBy)
		l.steady, l.done, lowered = until, true, true
	}
	l.refused = now
	l.quiet = Later(l.quiet, until)
	l.comes = max(l.comes, min(slowStart, max(leastStart, until.Sub(now))))
	return lowered
}

// slowPace is below how many requests a second each of them says much.
const SlowPace = 1
