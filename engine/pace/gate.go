package pace

import (
	"context"
	"errors"
	"sync"
	"time"

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
	ErrWindowOver = errors.New("the window has ended")
	ErrUntilOver  = errors.New("pace.until has passed")
	ErrProbing    = errors.New("the service does not answer, and one request at a time finds out whether it does again")
	ErrNewWindow  = errors.New("the suppression lists are to be read before anything is sent in this window")
)

// gate paces requests over the campaign's windows: it holds them outside a window,
// while the service has asked for quiet, and until the rate allows them. The allowance
// starts at none, so that a resumed run does not begin with a burst.
type Gate struct {
	pace      campaign.Pace
	oneWindow bool
	Rate      func(o Opening, now time.Time) float64
	waits     func(until time.Time, why string) // told when a wait begins that a person should know of
	clock     func() time.Time                  // time.Now, but in tests

	Only Opening // with oneWindow, the one window; zero until it is known

	turn chan struct{} // holds one token: who has it sleeps, the others wait for it

	mu        sync.Mutex
	woken     chan struct{} // closed when what was asked for may have changed, and made anew
	allowance *tokenBucket
	aside     int     // messages of who has the turn: nobody is let through at his expense
	opening   Opening // the one that was last looked up
	known     bool    // there is one

	hold    time.Time
	why     string
	Paused  string    // why nothing passes until it is empty again
	Lists   bool      // nothing passes in a window before Clear
	cleared time.Time // when the window opens that Clear was called for
	probing bool      // only probes pass
	probes  int       // that may still
}

var _ Pacer = (*Gate)(nil)

// newGate makes a gate for batches of at most largest messages.
func NewGate(p campaign.Pace, oneWindow bool, largest int, now time.Time, waits func(time.Time, string)) *Gate {
	g := &Gate{pace: p, oneWindow: oneWindow, waits: waits, clock: time.Now, turn: make(chan struct{}, 1), woken: make(chan struct{})}
	g.Rate = func(o Opening, _ time.Time) float64 { return o.Rate }
	g.allowance = newTokenBucket(now, max(1, largest))
	if o, ok := NextOpening(p, now); ok {
		g.allowance.setRate(now, o.Rate)
		if oneWindow {
			g.Only = o
		}
	}
	return g
}

// Hold keeps every request back until a moment, for a reason in words.
func (g *Gate) Hold(until time.Time, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.hold) {
		g.hold, g.why = until, why
	}
}

// mostNap is how long the gate sleeps at most before it looks again. A timer goes by the
// monotonic clock: it sleeps through a wall clock that is set forward and, on some systems,
// begins anew after the machine was suspended.
const mostNap = 30 * time.Second

// Pause lets nothing pass, for a reason in words, until it is called with none.
func (g *Gate) Pause(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Paused = why
}

// pauseLook is how long a gate that is paused says that it waits: nobody knows how long it is.
const pauseLook = time.Second

// Wake has whoever sleeps look at once at what holds now.
func (g *Gate) Wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.woken)
	g.woken = make(chan struct{})
}

// Clear lets requests pass in the window that opens at a moment.
func (g *Gate) Clear(opens time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cleared = opens
}

// Probe lets so many requests pass and no more, until Trust. Whoever waits is turned away.
func (g *Gate) Probe(requests int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing, g.probes = true, requests
}

// Trust takes Probe back.
func (g *Gate) Trust() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
}

// openingAt is NextOpening, which need not be asked again while its answer is open: it is
// the same from anywhere inside it.
func (g *Gate) openingAt(now time.Time) (Opening, bool) {
	if !g.known || !g.opening.IsOpen(now) {
		g.opening, g.known = NextOpening(g.pace, now)
	}
	return g.opening, g.known
}

// WaitN implements Pacer.
func (g *Gate) WaitN(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// What is due passes without a turn, and so without waking anybody.
	if wait, _, err := g.ask(n, false); wait <= 0 || err != nil {
		return err
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer g.leave()
	said := WaitNotice{}
	defer func() { said.Over(g) }()
	for {
		wait, asked, err := g.ask(n, true)
		if err != nil {
			return err
		}
		if wait <= 0 {
			return ctx.Err()
		}
		said.Say(g, asked)
		timer := time.NewTimer(min(wait, mostNap))
		select {
		case <-timer.C:
		case <-asked.woken:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// question is what was found when the gate was asked.
type Wait struct {
	Until time.Time // when the wait ends, as far as can be foretold
	Why   string    // that there is one; empty: a person need not know
	woken <-chan struct{}
}

// ask asks next at the present moment. What is set aside is for him who has the turn.
func (g *Gate) ask(n int, turn bool) (wait time.Duration, asked Wait, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if turn {
		g.aside = 0
	}
	now := g.clock()
	wait, asked.Why, err = g.Next(now, n)
	if turn && wait > 0 {
		g.aside = n
	}
	asked.Until, asked.woken = now.Add(wait), g.woken
	return wait, asked, err
}

// leave gives the turn back.
func (g *Gate) leave() {
	g.mu.Lock()
	g.aside = 0
	g.mu.Unlock()
	<-g.turn
}

// next says how long a request of n messages must still wait at now; 0 lets it start
// and spends its allowance.
func (g *Gate) Next(now time.Time, n int) (wait time.Duration, why string, err error) {
	o, ok := g.openingAt(now)
	switch {
	case !ok:
		return 0, "", ErrUntilOver
	case g.oneWindow && !o.Opens.Equal(g.Only.Opens):
		return 0, "", ErrWindowOver
	case !o.IsOpen(now):
		return o.Opens.Sub(now), windowClosed, nil
	}
	if wait, why, err := g.barred(o, now); wait > 0 || err != nil {
		return wait, why, err
	}
	g.allowance.open(now, o.Opens)
	g.allowance.setRate(now, g.Rate(o, now))
	if wait = g.allowance.take(now, n, g.aside); wait > 0 {
		if !o.Closes.IsZero() {
			wait = min(wait, o.Closes.Sub(now)) // so that the window's end is noticed when it comes
		}
		return wait, "", nil
	}
	g.probes--
	return 0, "", nil
}

// barred is how long nothing may pass at now in an opening whatever the rate, and why.
func (g *Gate) barred(o Opening, now time.Time) (wait time.Duration, why string, err error) {
	switch {
	case g.Lists && !o.Opens.Equal(g.cleared):
		return 0, "", ErrNewWindow
	case g.probing && g.probes <= 0:
		return 0, "", ErrProbing
	case g.Paused != "":
		return pauseLook, "the run is paused " + g.Paused, nil
	case g.hold.After(now):
		return g.hold.Sub(now), g.why, nil
	}
	return 0, "", nil
}
