package pace

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/enginetest"
)

// pass waits until a request of n messages may start.
func pass(ctx context.Context, g *Gate, n int) error {
	_, err := g.WaitN(ctx, n)
	return err
}

// throughGate sends requests of some sizes through a gate, from several goroutines, until an
// error. It returns what passed, in order.
func throughGate(ctx context.Context, g *Gate, callers int, size func() int) (all []enginetest.Sent, err error) {
	var (
		mu   sync.Mutex
		pool sync.WaitGroup
	)
	for range callers {
		pool.Go(func() {
			for {
				mu.Lock()
				n := size()
				mu.Unlock()
				_, e := g.WaitN(ctx, n)
				mu.Lock()
				if e != nil {
					err = e
					mu.Unlock()
					return
				}
				all = append(all, enginetest.Sent{At: time.Now(), N: n})
				mu.Unlock()
			}
		})
	}
	pool.Wait()
	return all, err
}

// gateOf makes a gate that tells nobody when it waits.
func gateOf(p campaign.Pace, oneWindow bool, largest int) *Gate {
	return New(Options{Pace: p, OneWindow: oneWindow, Largest: largest, Left: 1 << 40}, time.Now())
}

func TestTheGateKeepsTheRate(t *testing.T) {
	for sentence, test := range map[string]struct {
		rate    float64
		largest int
		size    func() int
		callers int
		span    time.Duration
	}{
		"the national rate in batches of ten seconds": {59.03, 590, func() int { return 590 }, 4, time.Hour},
		"one message a request":                       {59.03, 1, func() int { return 1 }, 8, 10 * time.Minute},
		"a high rate in batches of a second":          {5000, 5000, func() int { return 5000 }, 16, time.Hour},
		"a high rate in small batches":                {50_000, 500, func() int { return 500 }, 16, time.Minute},
		"batches of uneven sizes":                     {1000, 900, func() int { return 1 + rand.IntN(900) }, 5, 10 * time.Minute},
		"less than a message a second":                {0.2, 1, func() int { return 1 }, 3, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			ctx, cancel := context.WithDeadline(t.Context(), start.Add(test.span))
			defer cancel()
			g := gateOf(campaign.Pace{PerSecond: test.rate}, false, test.largest)
			all, err := throughGate(ctx, g, test.callers, test.size)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: ended by %v", sentence, err)
			}
			total := 0
			for _, s := range all {
				total += s.N
				if most := test.rate*s.At.Sub(start).Seconds() + 1; float64(total) > most {
					t.Fatalf("%s: %d messages after %s: the gate did not start empty", sentence, total, s.At.Sub(start))
				}
			}
			if worst := enginetest.WorstSecond(all); float64(worst) > test.rate+float64(test.largest) {
				t.Errorf("%s: %d messages in one second", sentence, worst)
			}
			achieved := float64(total) / (test.rate * test.span.Seconds())
			if achieved < 0.99 || achieved > 1 {
				t.Errorf("%s: %.2f %% of the rate", sentence, achieved*100)
			}
		})
	}
}

// After a pause of the callers themselves there is no more than one batch to catch up.
func TestTheGateDoesNotSaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(campaign.Pace{PerSecond: 100}, false, 500)
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		all, _ := throughGate(ctx, g, 3, func() int { return 50 })
		if total := 50 * len(all); total > 600 {
			t.Errorf("%d messages in the second after an hour of quiet", total)
		}
	})
}

func TestWithoutARateTheGateIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := gateOf(campaign.Pace{}, false, 10)
		for range 1000 {
			enginetest.Must(t, pass(t.Context(), g, 10))
		}
		if !time.Now().Equal(start) {
			t.Errorf("it took %s", time.Since(start))
		}
	})
}

func TestAHoldIsObeyedByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		until := start.Add(5*time.Minute + 300*time.Millisecond)
		var told []string
		g := New(Options{Pace: campaign.Pace{PerSecond: 100}, Largest: 10, OnWait: func(w Wait) {
			if !w.Until.Equal(until) {
				t.Errorf("the wait is said to end at %s", w.Until)
			}
			told = append(told, w.Why)
		}}, start)
		ctx, cancel := context.WithDeadline(t.Context(), start.Add(10*time.Minute))
		defer cancel()
		time.AfterFunc(time.Minute, func() {
			g.Hold(until, "the service asked for quiet")
			g.Hold(start.Add(2*time.Minute), "a shorter one does not shorten it")
		})
		all, _ := throughGate(ctx, g, 6, func() int { return 10 })
		before, after := 0, 0
		for _, s := range all {
			switch at := s.At.Sub(start); {
			case at <= time.Minute+100*time.Millisecond:
				before++
			case s.At.Before(until):
				t.Fatalf("a request went out after %s, in the hold", at)
			default:
				after++
			}
		}
		if before < 590 || after < 2790 {
			t.Errorf("%d requests before the hold and %d after it", before, after)
		}
		if len(told) != 1 || told[0] != "the service asked for quiet" || g.Waiting() != (Wait{}) {
			t.Errorf("told %q, and then %+v", told, g.Waiting())
		}
	})
}

func TestTheGateOverWindows(t *testing.T) {
	day := &campaign.Hours{From: 6 * 60, To: 22 * 60}
	for sentence, test := range map[string]struct {
		start     string
		oneWindow bool
		until     string
		want      error
		days      []string // with requests
	}{
		"it goes on in the next window":          {"2026-11-21 20:00:00 GMT", false, "2026-11-24 00:00:00 GMT", ErrUntilOver, []string{"2026-11-21", "2026-11-22", "2026-11-23"}},
		"one window ends with it":                {"2026-11-21 20:00:00 GMT", true, "", ErrWindowOver, []string{"2026-11-21"}},
		"one window is awaited, then ends":       {"2026-11-21 23:00:00 GMT", true, "", ErrWindowOver, []string{"2026-11-22"}},
		"until is in the middle of a window":     {"2026-11-21 20:00:00 GMT", false, "2026-11-22 12:00:00 GMT", ErrUntilOver, []string{"2026-11-21", "2026-11-22"}},
		"until has passed before anything":       {"2026-11-21 20:00:00 GMT", false, "2026-11-21 12:00:00 GMT", ErrUntilOver, nil},
		"one window, and until has passed":       {"2026-11-21 20:00:00 GMT", true, "2026-11-21 12:00:00 GMT", ErrUntilOver, nil},
		"two nights around the clocks' change":   {"2026-10-24 12:00:00 BST", false, "2026-10-26 00:00:00 GMT", ErrUntilOver, []string{"2026-10-24", "2026-10-25"}},
		"one window on the evening of a weekend": {"2026-03-28 22:00:00 GMT", true, "", ErrWindowOver, []string{"2026-03-29"}},
	} {
		zone := enginetest.London(t)
		start, until := wall(t, test.start), wall(t, test.until)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(start))
			p := campaign.Pace{Messages: 57600, Window: day, Location: zone, LastCall: time.Minute, Until: until}
			g := gateOf(p, test.oneWindow, 60)
			ctx, cancel := context.WithTimeout(t.Context(), 5*24*time.Hour)
			defer cancel()
			all, err := throughGate(ctx, g, 3, func() int { return 60 })
			if !errors.Is(err, test.want) {
				t.Errorf("%s: ended by %v", sentence, err)
			}
			perDay := map[string]int{}
			for _, s := range all {
				local := s.At.In(zone)
				if clock := local.Format("15:04:05"); clock < "06:00:00" || clock >= "21:59:00" {
					t.Fatalf("%s: a request at %s", sentence, local)
				}
				if !until.IsZero() && !s.At.Before(until) {
					t.Fatalf("%s: a request at %s, after until", sentence, local)
				}
				perDay[local.Format(time.DateOnly)] += s.N
			}
			if len(perDay) != len(test.days) {
				t.Errorf("%s: sent on %v", sentence, perDay)
			}
			for _, d := range test.days {
				if perDay[d] == 0 || perDay[d] > 57600 {
					t.Errorf("%s: %d messages on %s", sentence, perDay[d], d)
				}
			}
			if worst := enginetest.WorstSecond(all); worst > 1+60 {
				t.Errorf("%s: %d messages in one second", sentence, worst)
			}
		})
	}
}

func TestEveryWaitHearsCancel(t *testing.T) {
	zone := enginetest.London(t)
	closed := campaign.Pace{Messages: 1, Window: &campaign.Hours{From: 0, To: 1}, Location: zone}
	for sentence, test := range map[string]struct {
		pace campaign.Pace
		hold bool
	}{
		"waiting for the rate":   {campaign.Pace{PerSecond: 0.0001}, false},
		"waiting for the window": {closed, false},
		"waiting for a hold":     {campaign.Pace{}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(12 * time.Hour) // the bubble begins at midnight UTC
			start := time.Now()
			g := gateOf(test.pace, false, 10)
			if test.hold {
				g.Hold(start.Add(time.Hour), "quiet")
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Minute, cancel)
			all, err := throughGate(ctx, g, 4, func() int { return 10 }) // one waits, the others wait for their turn
			if len(all) != 0 || !errors.Is(err, context.Canceled) || time.Since(start) != time.Minute {
				t.Errorf("%s: %d requests, %v after %s", sentence, len(all), err, time.Since(start))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g := gateOf(campaign.Pace{}, false, 1)
		if err := pass(ctx, g, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("an open gate lets through who has been cancelled: %v", err)
		}
	})
}

// The wall clock is set forward while the gate sleeps, or the machine is suspended: the gate
// does not sleep until the moment that its timer was set for, and says once that it waits.
func TestTheGateDoesNotSleepThroughAClockThatIsSet(t *testing.T) {
	for sentence, test := range map[string]struct {
		set  time.Duration // forward, after an hour
		want time.Duration // from the start to the first request, by a clock that nobody sets
	}{
		"nobody sets it":                        {0, 6 * time.Hour},
		"it is set to when the window opens":    {5 * time.Hour, time.Hour},
		"it is set to after the window's start": {9 * time.Hour, time.Hour},
		"it is set forward by an hour":          {time.Hour, 5 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			var said []string
			start := time.Now()
			p := campaign.Pace{Messages: 57600, Window: &campaign.Hours{From: 6 * 60, To: 22 * 60}, Location: time.UTC}
			g := New(Options{Pace: p, Largest: 1, Left: 1, OnWait: func(w Wait) { said = append(said, w.Why) }}, start)
			g.clock = func() time.Time {
				if time.Since(start) < time.Hour {
					return time.Now().Round(0)
				}
				return time.Now().Round(0).Add(test.set)
			}
			enginetest.Must(t, pass(t.Context(), g, 1))
			if took := time.Since(start); took < test.want || took > test.want+mostNap+time.Second {
				t.Errorf("%s: the first request goes out after %s, want %s", sentence, took, test.want)
			}
			if len(said) != 1 || said[0] != notYetOpen {
				t.Errorf("%s: it said %q", sentence, said)
			}
		})
	}
}
