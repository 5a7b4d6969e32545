package gateway

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"cohort/sinks/simulator/faults"
)

// trustedAnswers is the number of answers after which a token can be revoked. A client that
// fetches a new token can always go on.
const trustedAnswers = 5

// SignIn takes a request through the token gate. The reply counts only when ok is false.
func (g *Gateway) SignIn(x *Exchange) (rep Reply, ok bool) {
	if x.R.Method == http.MethodPost && g.Dice.Hit(faults.ResetBefore) {
		return Reset, false
	}
	token, valid := g.findToken(x.R.Header.Get("Authorization"), x.Now)
	switch {
	case token == nil:
		return x.Refuse(x.api.Invalid), false
	case !valid:
		return x.Refuse(x.api.Expired), false
	case token.served.Load() >= trustedAnswers && g.Dice.Hit(faults.TokenRevoked):
		token.revoked.Store(true)
		return x.Refuse(x.api.Expired), false
	}
	x.token, x.Application = token, token.application
	return Reply{}, true
}

// defaultQuota is the number in the text of a 429 when there is no quota.
const defaultQuota = 1200

// Limit is the rate gate: the quota, then the faults. The reply counts only when ok is false.
func (g *Gateway) Limit(x *Exchange) (rep Reply, ok bool) {
	throttled := func(wait time.Duration, format string, details ...any) (Reply, bool) {
		text := "Your application, simulated, has " + fmt.Sprintf(format, details...)
		return x.Refuse(x.api.Throttled.Saying(text).RetryIn(wait)), false
	}
	named := func(wait time.Duration) time.Duration {
		if !x.api.NamesWait {
			return 0
		}
		return wait
	}
	const quotaText = "exceeded its quota of %d requests every 1 minute(s) and is being rate limited."
	const spikeText = "created a spike in traffic and is being rate limited. Please reduce the frequency of your requests."
	if quota := g.Options.QuotaPerMinute; quota > 0 && g.requestsInMinute(x) > quota {
		return throttled(named(g.Dice.Fault(faults.Quota429).RetryAfter), quotaText, quota)
	}
	if f, hit := g.Dice.Strike(faults.Quota429); hit {
		return throttled(f.RetryAfter, quotaText, cmp.Or(g.Options.QuotaPerMinute, defaultQuota))
	}
	if f, hit := g.Dice.Strike(faults.Spike429); hit {
		return throttled(named(f.RetryAfter), spikeText)
	}
	if x.api.BusyFault && g.Dice.Hit(faults.Busy429) {
		return x.Refuse(x.api.Throttled), false
	}
	return Reply{}, true
}

// FaultBefore draws the faults that strike before anything is accepted. The reply counts
// only when ok is false.
func (g *Gateway) FaultBefore(x *Exchange) (rep Reply, ok bool) {
	if g.Dice.Hit(faults.BadGateway502) {
		return x.Refuse(badGateway), false
	}
	if g.Dice.Hit(faults.HTMLError) {
		return Page(502, "Bad Gateway"), false
	}
	if f, hit := g.Dice.Strike(faults.Unavailable503); hit {
		return x.Refuse(unavailable.RetryIn(f.RetryAfter)), false
	}
	for _, fault := range []struct {
		kind    faults.Kind
		refusal Refusal
	}{
		{faults.Unavailable503Bare, unavailable}, {faults.Gateway504Before, gatewayTimeout}, {faults.Error500Before, InternalError},
	} {
		if g.Dice.Hit(fault.kind) {
			return x.Refuse(fault.refusal), false
		}
	}
	return Reply{}, true
}

// FaultAfter draws the faults that destroy an answer of the backend.
func (g *Gateway) FaultAfter(x *Exchange, rep Reply) Reply {
	if g.Dice.Hit(faults.ResetAfter) {
		return Reset
	}
	if f, hit := g.Dice.Strike(faults.TimeoutAfter); hit {
		if !Wait(x.R.Context(), f.Hold) {
			return Reply{manner: unanswered}
		}
		return x.Refuse(gatewayTimeout)
	}
	if g.Dice.Hit(faults.Gateway504After) {
		return x.Refuse(gatewayTimeout)
	}
	if g.Dice.Hit(faults.Error500After) {
		return x.Refuse(InternalError)
	}
	if rep.Status == http.StatusCreated && g.Dice.Hit(faults.Truncated201) {
		rep.manner, rep.Delivered = cut, nil
	}
	return rep
}

// Think waits for the latency of the backend. A client that hangs up does not stop the
// backend: it goes on at once.
func (g *Gateway) Think(x *Exchange) { Wait(x.R.Context(), g.Dice.Latency()) }

// Wait pauses. It returns false when ctx ends first.
func Wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// minute is one minute of one application.
type minute struct {
	application string
	unix        int64 // minutes
}

// requestsInMinute counts one request, and returns the count of its minute.
func (g *Gateway) requestsInMinute(x *Exchange) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := minute{x.Application, x.Now.Unix() / 60}
	g.minutes[m]++
	return g.minutes[m]
}

// NotKept answers a request that the ledger could not keep. It is neither accepted nor
// forgotten: replays are too early.
func (g *Gateway) NotKept(x *Exchange, err error) Reply {
	g.Options.Log.Error("nothing is accepted any more: the state cannot be written", "error", err)
	return x.Refuse(InternalError)
}
