package engine

import "time"

// load is how much of its rate a service lets the run have. After a quiet that it asked
// for, requests come back by and by and not all at once; a service that goes on refusing
// is asked for less, until it has taken what it was asked for a while. The zero value is
// ready.
type load struct {
	quiet   time.Time // until when nothing may be sent
	lowered float64   // how much is taken away from the share: 0 nothing
	refused time.Time // when the service last refused for load
}

const (
	slowStart    = 30 * time.Second // from a tenth of the rate to all of it
	leastShare   = 0.1
	loadMemory   = 10 * time.Minute // refusals this close together are the same trouble
	lowerBy      = 0.7
	raiseEvery   = 5 * time.Minute // without a refusal one lowering is taken back
	lowestFactor = 0.05
)

// share is the part of the rate that may be used at now, above 0 and at most 1.
func (l *load) share(now time.Time) float64 {
	share := l.factor(now)
	if since := now.Sub(l.quiet); !l.quiet.IsZero() && since < slowStart {
		share *= leastShare + (1-leastShare)*max(0, since.Seconds())/slowStart.Seconds()
	}
	return share
}

// factor is what the refusals have left of the rate.
func (l *load) factor(now time.Time) float64 {
	factor := 1 - l.lowered
	if l.lowered == 0 {
		return 1
	}
	for n := int(now.Sub(l.refused) / raiseEvery); n > 0 && factor < 1; n-- {
		factor = min(1, factor/lowerBy)
	}
	return factor
}

// refusal notes that the service refused at now, for load, and asked for quiet until a
// moment. It reports whether that has lowered the rate: one refusal is an incident, the
// next within ten minutes is a sign.
func (l *load) refusal(now, until time.Time) (lowered bool) {
	if again := !l.refused.IsZero() && now.Sub(l.refused) < loadMemory && now.After(l.quiet); again {
		l.lowered = 1 - max(lowestFactor, l.factor(now)*lowerBy)
		lowered = true
	} else {
		l.lowered = 1 - l.factor(now)
	}
	l.refused = now
	l.quiet = later(l.quiet, until)
	return lowered
}

// refusedForLoad notes that the service wants less, and says so when it gets less.
func (r *run) refusedForLoad(now time.Time, wait time.Duration) {
	var lowered bool
	var share float64
	r.tempo.set(func(t *tempo) {
		lowered = t.load.refusal(now, now.Add(wait))
		share = t.load.factor(now)
	})
	if lowered {
		r.Logger.Warn("the service goes on refusing: it is asked for less until it has taken that for a while", "percent_of_the_rate", int(100*share))
	}
}
