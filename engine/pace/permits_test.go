package pace

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/enginetest"
)

// permits are given at some moments, each once.
type permits struct {
	at    []time.Time // oldest first
	why   string
	err   error
	asked []time.Time
	done  []Used
	held  time.Duration
}

func (p *permits) Ask() (time.Duration, string, error) {
	now := time.Now()
	p.asked = append(p.asked, now)
	switch {
	case p.err != nil || len(p.at) == 0:
		return 10 * time.Millisecond, p.why, p.err
	case now.Before(p.at[0]):
		return min(10*time.Millisecond, p.at[0].Sub(now)), p.why, nil
	}
	p.at = p.at[1:]
	return 0, "", nil
}

func (p *permits) Done(u Used)              { p.done = append(p.done, u) }
func (p *permits) Hold(quiet time.Duration) { p.held = quiet }
func (p *permits) Use() KeyUse              { return KeyUse{Share: "key", Runs: 2, Requests: 7, Quota: 1200} }

func sharing(p campaign.Pace, by *permits) *Gate {
	return New(Options{Pace: p, Permits: by, Largest: 10, Left: 1 << 40}, time.Now())
}

func TestTheGateWaitsForPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		by := &permits{at: []time.Time{start, start.Add(time.Second), start.Add(time.Second)}, why: "others go first"}
		g := sharing(campaign.Pace{}, by)
		for _, after := range []time.Duration{0, time.Second, time.Second} {
			before, err := g.WaitN(t.Context(), 10)
			enginetest.Must(t, err)
			if took := time.Since(start); took != after || !before.Equal(start.Add(after).Add(PermitLife)) {
				t.Errorf("it passes after %s, and may leave until %s", took, before)
			}
		}
		if g.Waiting() != (Wait{}) {
			t.Errorf("it still waits: %v", g.Waiting())
		}
		if u := g.KeyUse(); u == nil || u.Requests != 7 {
			t.Errorf("the key: %+v", u)
		}
		g.HoldAll(time.Now().Add(time.Minute), "quiet")
		if g.Done(Answered); by.held != time.Minute || !slices.Equal(by.done, []Used{Answered}) {
			t.Errorf("held %s, done %v", by.held, by.done)
		}
		if alone := gateOf(campaign.Pace{}, false, 1); alone.KeyUse() != nil {
			t.Error("a run alone has a share")
		}
	})
}

// A request asks for a permit only when nothing else holds it back, so no permit is wasted.
func TestThePermitComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		by := &permits{at: make([]time.Time, 100)}
		g := sharing(campaign.Pace{PerSecond: 10, CatchUp: 1}, by)
		g.Hold(start.Add(time.Minute), "quiet")
		enginetest.Must(t, pass(t.Context(), g, 10))
		if len(by.asked) != 1 || by.asked[0].Before(start.Add(time.Minute)) {
			t.Errorf("asked at %v", by.asked)
		}
		enginetest.Must(t, pass(t.Context(), g, 10))
		if took := time.Since(start) - time.Minute; len(by.asked) != 2 || took < 900*time.Millisecond {
			t.Errorf("asked %d times, after %s", len(by.asked), took)
		}
	})
}

// What a person orders while a request waits for its permit holds for it.
func TestAPauseComesBeforeAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := &permits{at: []time.Time{time.Now().Add(time.Minute)}}
		g := sharing(campaign.Pace{}, by)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		time.AfterFunc(30*time.Second, func() { g.Command("by ann", Override{}) })
		if err := pass(ctx, g, 1); !errors.Is(err, context.DeadlineExceeded) || len(by.at) != 1 {
			t.Errorf("paused, and %v passes with %d permits left", err, len(by.at))
		}
	})
}

func TestWithoutPermitsNothingPasses(t *testing.T) {
	full := errors.New("the disk is full")
	g := sharing(campaign.Pace{}, &permits{err: full})
	if err := pass(t.Context(), g, 1); !errors.Is(err, ErrPermits) || !errors.Is(err, full) {
		t.Error(err)
	}
}

func TestARequestWithoutAGateTakesAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, said := time.Now(), []string(nil)
		say := func(why string) { said = append(said, why) }
		by := &permits{at: []time.Time{start.Add(time.Minute)}, why: "quiet"}
		enginetest.Must(t, Take(t.Context(), by, say))
		if took := time.Since(start); took != time.Minute || !slices.Equal(said, []string{"quiet"}) {
			t.Errorf("after %s, with the words %q", took, said)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := Take(ctx, by, say); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
