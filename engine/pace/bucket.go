package pace

import "time"

// tokenBucket counts the messages that may start. Two rules hold at once:
//
//   - At most as many messages pass as have come due at the rate. Of what came due and did
//     not pass, one batch is kept, and what came due in the last tenth of a second.
//   - In any second at most the rate and one batch pass.
//
// Timers wake late, by a millisecond or more. The first rule makes up for that, and the second keeps it from showing as
// a higher rate. A new bucket is empty. It is not safe for concurrent use.
type tokenBucket struct {
	began time.Time
	batch float64 // messages in the largest request
	rate  float64 // messages a second; 0: no limit

	due    float64       // messages that came due and did not pass
	at     time.Duration // when due was computed, since began
	passed float64       // messages in recent
	recent []passed      // what passed in the latest second, in order of time
	window time.Time     // the start of the window that was open at the last call of open
}

// passed is a number of messages that passed at about the same time.
type passed struct {
	at time.Duration // of the first, since began
	n  float64
}

const (
	// lag is the longest delay of a timer, or of a process without a processor, that is made up for.
	lag = 100 * time.Millisecond
	// nap is the shortest sleep of the gate. No timer is exact enough for one message of
	// 50,000 a second, so what comes due during a nap passes together.
	nap = time.Millisecond
	// grain is the longest time between messages that recent counts as one entry.
	grain = 100 * time.Microsecond
	// second is longer than one by a grain, so that the whole entry is more than a second old.
	second = time.Second + grain
)

func newTokenBucket(now time.Time, batch int) *tokenBucket {
	return &tokenBucket{began: now, batch: float64(batch)}
}

func (b *tokenBucket) setRate(now time.Time, perSecond float64) {
	if perSecond != b.rate {
		b.update(now)
		b.rate = perSecond
	}
}

// open starts a window, unless it is the one that was open before. Time before the window is not made up for. One batch
// may start at once, so that the last batch of the window's capacity does not fall on its end.
func (b *tokenBucket) open(now, opened time.Time) {
	if !opened.Equal(b.window) {
		b.update(now)
		b.due, b.window = min(b.due, b.batch), opened
	}
}

// update applies both rules up to now.
func (b *tokenBucket) update(now time.Time) {
	at := now.Sub(b.began) // by the monotonic clock, which nobody sets
	b.due = min(b.due+b.rate*(at-b.at).Seconds(), b.batch+b.rate*lag.Seconds())
	b.at = at
	over := 0
	for over < len(b.recent) && at-b.recent[over].at >= second {
		b.passed -= b.recent[over].n
		over++
	}
	if b.recent = b.recent[over:]; len(b.recent) == 0 {
		b.passed = 0
	}
}

// wait returns the time that a request of n messages must still wait while other messages
// are reserved for another request. 0: it may pass.
func (b *tokenBucket) wait(now time.Time, n, reserved int) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.update(now)
	all := min(float64(n), b.batch) + min(float64(reserved), b.batch)
	wait := time.Duration(0)
	if missing := all - b.due; missing > 0 {
		wait = time.Duration(missing/b.rate*float64(time.Second)) + 1
	}
	if wait = max(wait, b.untilRoom(all)); wait > 0 {
		return max(wait, nap)
	}
	return 0
}

// take lets a request pass, right after wait returned 0.
func (b *tokenBucket) take(n int) {
	if b.rate == 0 {
		return
	}
	messages := min(float64(n), b.batch)
	b.due -= messages
	b.passed += messages
	if last := len(b.recent) - 1; last >= 0 && b.at-b.recent[last].at < grain {
		b.recent[last].n += messages
	} else {
		b.recent = append(b.recent, passed{b.at, messages})
	}
}

// untilRoom returns the time until the latest second has room for more messages.
func (b *tokenBucket) untilRoom(messages float64) time.Duration {
	over := b.passed + messages - (b.rate + b.batch)
	for _, p := range b.recent {
		if over <= 0 {
			break
		}
		if over -= p.n; over <= 0 {
			return p.at + second - b.at
		}
	}
	return 0
}
