package ledger

import "time"

// Claim is one reference of one application. The first request that reaches the backend with
// it takes it for good. Ledger.mu guards it.
type Claim struct {
	inFlight   bool          // the first request is not accepted yet
	until      time.Time     // replays before this are too early
	retryAfter time.Duration // the Retry-After of such a replay
	body       uint32        // checksum of the accepted body
	drawn      bool          // the delay of replays was drawn
	answered   bool          // a whole 201 was delivered
	told       bool          // a 422 was delivered
	notBefore  time.Time     // the end of the last Retry-After given with a 425
}

// Verdict is the result of the idempotency check.
type Verdict uint8

const (
	Fresh           Verdict = iota // the reference was free; it is now claimed
	StillProcessing                // 425
	AlreadyAccepted                // 422
)

// Delay makes replays of a reference too early.
type Delay struct {
	Processing time.Duration // for this long
	RetryAfter time.Duration // the Retry-After of their 425
}

// key keeps applications apart, and batches from single messages. The body is not part of it.
func (r *Request) key() string {
	space := "-MessageBatch-"
	if r.Single {
		space = "-Message-"
	}
	return r.Application + space + r.Reference
}

// Claim claims the reference of a request. usual is the Retry-After while the first request
// is in flight. delay draws a delay of replays; it is called at most once for each reference.
func (l *Ledger) Claim(r *Request, usual time.Duration, delay func() *Delay) (*Claim, Verdict, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, now := r.key(), r.AcceptedAt
	c, taken := l.claims[key]
	if !taken {
		c = &Claim{inFlight: true, body: r.BodyCRC32C}
		l.claims[key] = c
		return c, Fresh, 0
	}
	if c.body != r.BodyCRC32C {
		l.totals.ReplaysWithOtherBody++
	}
	if c.answered {
		l.totals.RequestsAfterAnswer++
	}
	if c.told {
		l.totals.RequestsAfter422++
	}
	if now.Before(c.notBefore) {
		l.totals.ReplaysBeforeTheirDue++
	}
	if !c.inFlight && !c.drawn && !now.Before(c.until) {
		c.drawn = true
		if d := delay(); d != nil {
			c.until, c.retryAfter = now.Add(d.Processing), d.RetryAfter
		}
	}
	if c.inFlight || now.Before(c.until) {
		wait := usual
		if !c.inFlight {
			wait = c.retryAfter
		}
		c.notBefore = now.Add(wait)
		l.totals.TooEarly++
		return c, StillProcessing, wait
	}
	l.totals.Duplicates++
	return c, AlreadyAccepted, 0
}

// Delivered notes that a whole reply about the claim went out.
func (l *Ledger) Delivered(c *Claim, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch status {
	case 201:
		c.answered = true
	case 422:
		c.told = true
	}
}
