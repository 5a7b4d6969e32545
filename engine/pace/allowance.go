package pace

import (
	"time"
)

// allowance is how many messages may start. Two rules hold at once:
//
//   - no more has been let through than has come due at the rate, of which one batch is
//     kept, and what came due in the last tenth of a second;
//   - in any second no more starts than the rate and one batch.
//
// The first keeps to the even line. Timers wake late, by a millisecond or more, and what
// came due meanwhile would be lost if no more than a batch were kept; the second rule sees
// to it that making it up never shows as a higher rate. It begins with nothing. It is not
// safe for concurrent use.
type tokenBucket struct {
	began time.Time
	batch float64 // messages in the largest request
	rate  float64 // messages a second; 0: no limit

	due     float64       // came due and was not let through
	at      time.Duration // when that was reckoned, since began
	passed  float64       // messages in recent
	recent  []passed      // of the latest second, in order of time
	stretch time.Time     // the opening of the window in which it was last asked
}

// passed is messages that were let through at about the same time.
type passed struct {
	at time.Duration // of the first, since began
	n  float64
}

const (
	// lag is for how long a late timer, or a process that had no processor, is made up for.
	lag = 100 * time.Millisecond
	// nap is the least time for which the gate sleeps. What comes due meanwhile passes
	// without a timer of its own: at 50,000 a second there is none that would be in time.
	nap = time.Millisecond
	// grain is how far apart messages are at most that leave the second together, when the
	// first of them does.
	grain = 100 * time.Microsecond
	// second is so much longer than one that the last of them has left it too.
	second = time.Second + grain
)

func newTokenBucket(now time.Time, batch int) *tokenBucket {
	return &tokenBucket{began: now, batch: float64(batch)}
}

// setRate makes the rate another one from now on.
func (a *tokenBucket) setRate(now time.Time, perSecond float64) {
	if perSecond != a.rate {
		a.reckon(now)
		a.rate = perSecond
	}
}

// open is called with the moment at which the window opened that now lies in: nothing of
// the time before it is made up for in it, but that one batch may start at once, so that
// the last batch of the capacity does not fall on the window's end.
func (a *tokenBucket) open(now, opened time.Time) {
	if !opened.Equal(a.stretch) {
		a.reckon(now)
		a.due, a.stretch = min(a.due, a.batch), opened
	}
}

// reckon brings both rules up to now.
func (a *tokenBucket) reckon(now time.Time) {
	at := now.Sub(a.began) // by the monotonic clock, which nobody sets
	a.due = min(a.due+a.rate*(at-a.at).Seconds(), a.batch+a.rate*lag.Seconds())
	a.at = at
	over := 0
	for over < len(a.recent) && at-a.recent[over].at >= second {
		a.passed -= a.recent[over].n
		over++
	}
	if a.recent = a.recent[over:]; len(a.recent) == 0 {
		a.passed = 0
	}
}

// take is how long a request of n messages must still wait at now, when so many others are
// set aside; 0 lets it through.
func (a *tokenBucket) take(now time.Time, n, aside int) time.Duration {
	if a.rate == 0 {
		return 0
	}
	a.reckon(now)
	messages := min(float64(n), a.batch)
	all := messages + min(float64(aside), a.batch)
	wait := time.Duration(0)
	if missing := all - a.due; missing > 0 {
		wait = time.Duration(missing/a.rate*float64(time.Second)) + 1
	}
	if wait = max(wait, a.full(all)); wait > 0 {
		return max(wait, nap)
	}
	a.due -= messages
	a.passed += messages
	if last := len(a.recent) - 1; last >= 0 && a.at-a.recent[last].at < grain {
		a.recent[last].n += messages
	} else {
		a.recent = append(a.recent, passed{a.at, messages})
	}
	return 0
}

// full is how long it takes until the second has room for so many messages more.
func (a *tokenBucket) full(messages float64) time.Duration {
	over := a.passed + messages - (a.rate + a.batch)
	for _, p := range a.recent {
		if over <= 0 {
			break
		}
		if over -= p.n; over <= 0 {
			return p.at + second - a.at
		}
	}
	return 0
}
