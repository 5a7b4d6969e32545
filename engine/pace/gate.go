// Package pace decides when a request may start. It is the only rate limiter between the
// queue and the service: the window, the rate, the quiet that the service asks for, and
// what a person orders are all kept by one Gate. Forecast derives the expected times from them.
package pace

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cohort/engine/campaign"
)

// The errors of a gate that lets nothing more through.
var (
	ErrWindowOver = errors.New("the window has ended")
	ErrUntilOver  = errors.New("pace.until has passed")
	ErrProbing    = errors.New("the service does not answer; single requests find out when it does again")
	ErrNewWindow  = errors.New("the suppression lists must be read before anything more is sent")
	ErrPermits    = errors.New("the share of the key's requests cannot be used")
)

type Options struct {
	Pace      campaign.Pace
	OneWindow bool       // the gate closes for good with the first window
	Largest   int        // messages in the largest batch
	Left      int64      // messages that are not sent yet
	Override  Override   // as the progress log has it
	Quiet     Wait       // that the service asked an earlier process for
	Lists     bool       // in each window nothing passes before ListsApplied
	Permits   Permits    // of the key's requests, which other runs share; nil: nobody does
	OnWait    func(Wait) // called when a wait begins or changes, with the gate unlocked; may be nil
}

// Gate lets requests through over the campaign's windows. It holds them outside a window, during a quiet that the
// service asked for, during a pause, and until the rate allows them. It begins empty, so that a resumed run does not
// begin with a burst. It is safe for concurrent use.
type Gate struct {
	oneWindow bool
	lists     bool    // nothing passes in a window before ListsApplied
	permits   Permits // nil: none are needed
	onWait    func(Wait)
	clock     func() time.Time // time.Now, except in tests
	only      Opening          // with oneWindow, the one window; zero: there is none

	turn chan struct{} // holds one token: its owner sleeps, the others wait for it

	mu         sync.Mutex
	woken      chan struct{} // closed, and made anew, when the rules may have changed
	facts      Facts
	congestion congestion
	bucket     *tokenBucket
	reserved   int     // messages of the request that has the turn: no other may take their place
	opening    Opening // that was looked up last
	known      bool    // opening is one

	hold    Wait
	waiting Wait
	paused  string    // why nothing passes; empty: it may
	cleared time.Time // the start of the window that ListsApplied has opened
	until   time.Time // nothing passes from then on before ListsApplied; zero: there is no such time
	probes  int       // requests that may still pass while the service is probed; below 0: any number
	passed  bool      // something has passed
}

func New(o Options, now time.Time) *Gate {
	g := &Gate{
		oneWindow: o.OneWindow, lists: o.Lists, permits: o.Permits, onWait: o.OnWait, clock: time.Now, hold: o.Quiet, probes: NoProbe,
		congestion: congestion{quiet: o.Quiet.Until, ramp: longRamp},
		turn:       make(chan struct{}, 1), woken: make(chan struct{}), bucket: newTokenBucket(now, max(1, o.Largest)),
		facts: Facts{Pace: o.Pace, Override: o.Override, Left: o.Left, Largest: o.Largest, Began: now},
	}
	if o, ok := NextOpening(o.Pace, now); ok {
		g.bucket.setRate(now, o.Rate)
		if g.oneWindow {
			g.only = o
		}
	}
	return g
}

// WaitN returns when a request of n messages may start at once. Its first byte must leave before a moment, unless that
// is zero. Requests pass one at a time, in no promised order. An error means that none may start any more: ctx is done,
// or it is one of the gate's errors. Else the caller gives the permit back, with Done.
func (g *Gate) WaitN(ctx context.Context, n int) (before time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return before, err
	}
	// What is due passes without a turn, and so without waking anybody.
	if p, err := g.try(n, false); p.wait <= 0 || err != nil {
		return p.before, err
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return before, ctx.Err()
	}
	defer g.release()
	for {
		if err := ctx.Err(); err != nil {
			return before, err
		}
		p, err := g.try(n, true)
		if p.wait <= 0 || err != nil {
			return p.before, err
		}
		g.Announce(p.reason)
		timer := time.NewTimer(min(p.wait, mostNap))
		select {
		case <-timer.C:
		case <-p.woken:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return before, ctx.Err()
		}
	}
}

// passage is what a request is told that asked to pass.
type passage struct {
	wait   time.Duration // 0: it passes
	before time.Time     // it must leave before; zero: at any time
	reason Wait
	woken  <-chan struct{}
}

const (
	// mostNap is the longest sleep. A timer follows the monotonic clock: it does not notice a
	// wall clock that is set forward and, on some systems, a machine that was suspended.
	mostNap = 30 * time.Second
	// pauseNap is the sleep during a pause, which has no known end.
	pauseNap = time.Second
)

// try asks whether a request of n messages may start now. turn: the request has the turn, and
// its messages are reserved while it waits.
func (g *Gate) try(n int, turn bool) (p passage, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if turn {
		g.reserved = 0
	}
	now := g.clock()
	p.woken = g.woken
	p.wait, p.reason.Why, err = g.next(now, n)
	if turn && p.wait > 0 {
		g.reserved = n
	}
	if p.reason.Why != "" {
		p.reason.Until = now.Add(p.wait)
	}
	if g.permits != nil {
		p.before = now.Add(PermitLife)
	}
	return p, err
}

func (g *Gate) release() {
	g.Announce(Wait{})
	g.mu.Lock()
	g.reserved = 0
	g.mu.Unlock()
	<-g.turn
}

// next returns how long a request of n messages must still wait at now, and why when an
// operator should know. 0 lets it start and takes its tokens.
func (g *Gate) next(now time.Time, n int) (wait time.Duration, why string, err error) {
	o, ok := g.openingAt(now)
	switch {
	case !ok:
		return 0, "", ErrUntilOver
	case g.oneWindow && !o.Opens.Equal(g.only.Opens):
		return 0, "", ErrWindowOver
	case !o.IsOpen(now):
		return o.Opens.Sub(now), windowShut(g.facts.Pace, now), nil
	case g.lists && !o.Opens.Equal(g.cleared):
		return 0, "", ErrNewWindow
	case g.probes == 0:
		return 0, "", ErrProbing
	case g.paused != "":
		return pauseNap, "the run is paused " + g.paused, nil
	case g.hold.Until.After(now):
		return g.hold.Until.Sub(now), g.hold.Why, nil
	case !g.until.IsZero() && !now.Before(g.until):
		return 0, "", ErrNewWindow
	}
	g.bucket.open(now, o.Opens)
	g.bucket.setRate(now, g.rate(o, now))
	if wait = g.bucket.wait(now, n, g.reserved); wait == 0 && g.permits != nil {
		if wait, why, err = g.permits.Ask(); err != nil {
			err = fmt.Errorf("%w: %w", ErrPermits, err)
		}
	}
	if wait > 0 || err != nil {
		if !o.Closes.IsZero() {
			wait = min(wait, o.Closes.Sub(now)) // the end of the window is noticed when it comes
		}
		return wait, why, err
	}
	g.bucket.take(n)
	g.probes, g.passed = max(NoProbe, g.probes-1), true
	return 0, "", nil
}

// openingAt is NextOpening, and keeps its answer while that is open.
func (g *Gate) openingAt(now time.Time) (Opening, bool) {
	if !g.known || !g.opening.IsOpen(now) {
		g.opening, g.known = NextOpening(g.facts.Pace, now)
	}
	return g.opening, g.known
}

// rate returns the messages a second that may start at now in an opening; 0: no limit.
func (g *Gate) rate(o Opening, now time.Time) float64 {
	rate := g.facts.rateAt(o, now)
	if rate == 0 {
		return 0
	}
	return max(slowest, rate*g.congestion.share(now))
}

// Allowed returns the messages a second that may start at now; 0: no limit. share is the part
// of the usual number of requests that may be under way at once.
func (g *Gate) Allowed(now time.Time) (rate, share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, _ := g.openingAt(now)
	return g.rate(o, now), g.congestion.share(now)
}

// Forecast is the function Forecast for this run. taken is the speed of the service of late,
// messages a second. First is zero when something has passed.
func (g *Gate) Forecast(taken float64, now time.Time) Outlook {
	g.mu.Lock()
	f, passed := g.facts, g.passed
	f.Taken, f.Factor, f.Hold = taken, g.congestion.factor(now), g.hold.Until
	g.mu.Unlock()
	if passed {
		f.Began = time.Time{}
	}
	out := Forecast(f, now)
	if passed {
		out.First = time.Time{}
	}
	return out
}

// Done gives back what WaitN gave.
func (g *Gate) Done(u Used) {
	if g.permits != nil {
		g.permits.Done(u)
	}
}

// KeyUse returns what the run's key is used for; nil: no other run shares it.
func (g *Gate) KeyUse() *KeyUse {
	if g.permits == nil {
		return nil
	}
	u := g.permits.Use()
	return &u
}

// HoldAll is Hold, for every run that shares the key.
func (g *Gate) HoldAll(until time.Time, why string) {
	if g.permits != nil {
		g.permits.Hold(until.Sub(g.clock()))
	}
	g.Hold(until, why)
}

// Hold keeps every request back until a moment, for a reason in words. It never shortens a hold.
func (g *Gate) Hold(until time.Time, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.hold.Until) {
		g.hold = Wait{why, until}
	}
}

// Command applies the orders of people. paused names who has paused the run and the reason;
// empty: nobody has. Requests that wait obey the new rules at once.
func (g *Gate) Command(paused string, o Override) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused, g.facts.Override = paused, o
	close(g.woken)
	g.woken = make(chan struct{})
}

// Update notes the messages that are left. was is the latest window start in the log. start is another one when a
// window has opened since. sends is false when the run may not send at now or later.
func (g *Gate) Update(left int64, was WindowStart, now time.Time) (start WindowStart, sends bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, ok := g.openingAt(now)
	sends = ok && (!g.oneWindow || o.Opens.Equal(g.only.Opens))
	if sends && g.facts.Pace.Window != nil && o.IsOpen(now) && !was.Opens.Equal(o.Opens) {
		was = WindowStart{Opens: o.Opens, Begun: now.UTC().Round(0), Left: left}
	}
	g.facts.Left, g.facts.Window = left, was
	return was, sends
}

// ListsApplied lets requests pass in the window that opens at a moment, until another; zero: until its end.
func (g *Gate) ListsApplied(opens, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cleared, g.until = opens, until
}

// NoProbe ends a probe.
const NoProbe = -1

// Probe lets a number of requests pass. After them requests get ErrProbing, until a probe
// with another number or NoProbe.
func (g *Gate) Probe(requests int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probes = requests
}

// Answered notes that the service took a request.
func (g *Gate) Answered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.congestion.answered()
}

// Refused notes that the service refused an attempt because of its load, and asked for quiet.
// lowered: the run asks for less from now on, share of its rate.
func (g *Gate) Refused(attempted, now time.Time, quiet time.Duration) (lowered bool, share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, _ := g.openingAt(now)
	rate := g.facts.rateAt(o, now) * g.congestion.factor(now)
	slow := rate > 0 && rate < slowRequests*float64(max(1, g.facts.Largest))
	lowered = g.congestion.refusal(attempted, now, now.Add(quiet), slow)
	return lowered, g.congestion.factor(now)
}

// Announce notes a reason to wait; the zero Wait: there is none.
func (g *Gate) Announce(w Wait) {
	g.mu.Lock()
	was := g.waiting
	same := w.Why == was.Why && w.Until.Round(time.Second).Equal(was.Until.Round(time.Second))
	if !same {
		g.waiting = w
	}
	g.mu.Unlock()
	if !same && w.Why != "" && g.onWait != nil {
		g.onWait(w)
	}
}

// Waiting returns why nothing starts; the zero value while something may.
func (g *Gate) Waiting() Wait {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}
