package simulator

import "time"

// claim is one reference in one application's space, taken for good by the
// first request that reached the backend with it. Guarded by ledger.mu.
type claim struct {
	inFlight   bool          // the first request has not been accepted yet
	until      time.Time     // replays are too early until then
	retryAfter time.Duration // what a replay that is too early is told
	body       uint32        // checksum of the body that was accepted
	drawn      bool          // TooEarly425 had its one chance
	answered   bool          // a whole 201 was delivered
	told       bool          // a 422 was delivered
	notBefore  time.Time     // the end of the last Retry-After given with a 425
}

// verdict is what the idempotency check says of a request.
type verdict uint8

const (
	fresh           verdict = iota // nobody had this reference; it is now claimed
	stillProcessing                // 425
	alreadyAccepted                // 422
)

// claimKey keeps applications apart, and batches from single messages. The body
// is no part of it.
func claimKey(application string, single bool, reference string) string {
	space := "-MessageBatch-"
	if single {
		space = "-Message-"
	}
	return application + space + reference
}

// take claims a reference or says why it cannot be. delay draws TooEarly425; it
// is asked at most once for each reference.
func (l *ledger) take(key string, body uint32, now time.Time, usual time.Duration, delay func() (Fault, bool)) (*claim, verdict, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, taken := l.claims[key]
	if !taken {
		c = &claim{inFlight: true, body: body}
		l.claims[key] = c
		return c, fresh, 0
	}
	if c.body != body {
		l.totals.otherBody++
	}
	if c.answered {
		l.totals.afterAnswer++
	}
	if c.told {
		l.totals.afterDuplicate++
	}
	if now.Before(c.notBefore) {
		l.totals.beforeRetryAfter++
	}
	if !c.inFlight && !c.drawn && !now.Before(c.until) {
		c.drawn = true
		if f, early := delay(); early {
			c.until, c.retryAfter = now.Add(f.Processing), f.RetryAfter
		}
	}
	if c.inFlight || now.Before(c.until) {
		wait := usual
		if !c.inFlight {
			wait = c.retryAfter
		}
		c.notBefore = now.Add(wait)
		l.totals.inFlight++
		return c, stillProcessing, wait
	}
	l.totals.duplicates++
	return c, alreadyAccepted, 0
}

// accept settles a fresh claim: the whole request enters the ledger, or, if
// this is never called, none of it does. slow, when not nil, keeps replays too
// early for its Processing.
func (l *ledger) accept(c *claim, r *record, messages []message, slow *Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.inFlight = false
	if slow != nil {
		c.until, c.retryAfter, c.drawn = r.at.Add(slow.Processing), slow.RetryAfter, true
	}
	l.add(r, messages)
}

// delivered notes that a reply about the claim went out whole.
func (l *ledger) delivered(c *claim, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch status {
	case 201:
		c.answered = true
	case 422:
		c.told = true
	}
}
