package engine

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cohort/engine/campaign"
)

// Pacer says when a request may start.
type Pacer interface {
	// WaitN returns nil when a request of n messages may start at once. Callers are let
	// through one at a time, in no promised order. An error means that none may start
	// any more: ctx is done, or the pacer's time is over.
	WaitN(ctx context.Context, n int) error
}

// The reasons for which a gate closes for good.
var (
	errWindowOver = errors.New("the window has ended")
	errUntilOver  = errors.New("pace.until has passed")
	errProbing    = errors.New("the service does not answer, and one request at a time finds out whether it does again")
	errNewWindow  = errors.New("the suppression lists are to be read before anything is sent in this window")
)

// gate paces requests over the campaign's windows: it holds them outside a window,
// while the service has asked for quiet, and until the rate allows them. The rate's
// tokens start at none, so that a resumed run does not begin with a burst.
type gate struct {
	pace      campaign.Pace
	oneWindow bool
	rate      func(o Opening, now time.Time) float64
	waits     func(until time.Time, why string) // told when a wait begins that a person should know of

	largest int           // messages in a request, at most
	turn    chan struct{} // holds one token: who has it decides for itself and everything below
	limiter *rate.Limiter
	only    Opening // with oneWindow, the one window; zero until it is known

	mu      sync.Mutex
	hold    time.Time
	why     string
	paused  string    // why nothing passes until it is empty again
	lists   bool      // nothing passes in a window before Clear
	cleared time.Time // when the window opens that Clear was called for
	probing bool      // nothing passes but what Probe allows
	probes  int       // how many requests that is
}

var _ Pacer = (*gate)(nil)

// newGate makes a gate for batches of at most largest messages.
func newGate(p campaign.Pace, oneWindow bool, largest int, now time.Time, waits func(time.Time, string)) *gate {
	g := &gate{pace: p, oneWindow: oneWindow, waits: waits, largest: max(1, largest), turn: make(chan struct{}, 1)}
	g.rate = func(o Opening, _ time.Time) float64 { return o.Rate }
	g.limiter = rate.NewLimiter(rate.Inf, g.largest)
	if o, ok := NextOpening(p, now); ok {
		g.setRate(now, o.Rate)
		if o.Rate > 0 {
			g.limiter.ReserveN(now, g.limiter.Burst())
		}
		if oneWindow {
			g.only = o
		}
	}
	return g
}

// leeway is how much of the rate the gate may let through at once, beyond one request. A
// processor that was busy wakes a waiter late, and at 400 requests a second every moment
// that cannot be made up for is lost.
const leeway = 50 * time.Millisecond

func (g *gate) setRate(now time.Time, perSecond float64) {
	limit, burst := rate.Limit(perSecond), max(g.largest, int(math.Ceil(perSecond*leeway.Seconds())))
	if perSecond == 0 {
		limit = rate.Inf
	}
	if g.limiter.Limit() != limit {
		g.limiter.SetLimitAt(now, limit)
		g.limiter.SetBurstAt(now, burst)
	}
}

// Hold keeps every request back until a moment, for a reason in words.
func (g *gate) Hold(until time.Time, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.hold) {
		g.hold, g.why = until, why
	}
}

func (g *gate) isPaused() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused
}

// rateLook is how long a request waits at most before its gate looks at the rate again.
const rateLook = 30 * time.Second

func (g *gate) held() (time.Time, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hold, g.why
}

// Pause lets nothing pass, for a reason in words, until it is called with none.
func (g *gate) Pause(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused = why
}

// pauseLook is how often a gate that is paused looks whether it still is.
const pauseLook = time.Second

// Clear lets requests pass in the window that opens at a moment.
func (g *gate) Clear(opens time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cleared = opens
}

func (g *gate) isClear(o Opening) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.lists || o.Opens.Equal(g.cleared)
}

// Probe lets so many requests pass and no more, until Trust. Whoever waits is turned away.
func (g *gate) Probe(requests int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing, g.probes = true, requests
}

// Trust takes Probe back.
func (g *gate) Trust() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
}

// isShut reports whether no probe is left.
func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.probing && g.probes <= 0
}

// probe spends one.
func (g *gate) probe() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probes--
}

// WaitN implements Pacer.
func (g *gate) WaitN(ctx context.Context, n int) error {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.turn }()
	for {
		now := time.Now()
		wait, why, err := g.next(now, n)
		if err != nil {
			return err
		}
		if wait <= 0 {
			return ctx.Err()
		}
		if why != "" {
			g.waits(now.Add(wait), why)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if why != "" {
			g.waits(time.Time{}, "")
		}
	}
}

// next says how long a request of n messages must still wait at now; 0 lets it start
// and spends its tokens.
func (g *gate) next(now time.Time, n int) (wait time.Duration, why string, err error) {
	o, ok := NextOpening(g.pace, now)
	switch {
	case !ok:
		return 0, "", errUntilOver
	case g.oneWindow && !o.Opens.Equal(g.only.Opens):
		return 0, "", errWindowOver
	case !o.IsOpen(now):
		return o.Opens.Sub(now), "the window has not opened", nil
	case !g.isClear(o):
		return 0, "", errNewWindow
	case g.isShut():
		return 0, "", errProbing
	}
	if why := g.isPaused(); why != "" {
		return pauseLook, "the run is paused " + why, nil
	}
	if until, why := g.held(); until.After(now) {
		return until.Sub(now), why, nil
	}
	rate := g.rate(o, now)
	g.setRate(now, rate)
	if missing := float64(min(n, g.limiter.Burst())) - g.limiter.TokensAt(now); missing > 0 && rate > 0 {
		wait = time.Duration(missing/rate*float64(time.Second)) + 1
		wait = min(wait, rateLook) // the rate may have changed by then
		if !o.Closes.IsZero() {
			wait = min(wait, o.Closes.Sub(now)) // so that the window's end is noticed when it comes
		}
		return wait, "", nil
	}
	g.limiter.ReserveN(now, min(n, g.limiter.Burst()))
	g.probe()
	return 0, "", nil
}
