package pace

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine/enginetest"
)

// take lets a request of n messages pass, or returns its wait.
func take(a *tokenBucket, now time.Time, n, reserved int) time.Duration {
	wait := a.wait(now, n, reserved)
	if wait == 0 {
		a.take(n)
	}
	return wait
}

// passedNow lets single messages pass at a moment, at most a number of them. It returns the
// number and the wait of the next one.
func passedNow(a *tokenBucket, now time.Time, most int) (n int, wait time.Duration) {
	for n < most {
		if wait = take(a, now, 1, 0); wait > 0 {
			return n, wait
		}
		n++
	}
	return n, 0
}

func TestTheBucket(t *testing.T) {
	start := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	var full []time.Duration // 11 after an hour of nothing, and 9 every 90 ms make a second of 101
	for d := range 11 {
		full = append(full, time.Hour+time.Duration(d)*90*time.Millisecond)
	}
	full = full[:len(full):len(full)]
	for sentence, test := range map[string]struct {
		rate  float64
		batch int
		after []time.Duration // when somebody asks for as much as there is, each since the start
		n     int             // pass the last time
		wait  time.Duration   // of the next
	}{
		"it begins with nothing":                     {10, 1, []time.Duration{0}, 0, 100 * time.Millisecond},
		"what has come due passes":                   {10, 1, []time.Duration{0, 100 * time.Millisecond}, 1, 100 * time.Millisecond},
		"a wait too short for a timer is a nap":      {50_000, 1, []time.Duration{0}, 0, nap},
		"what came due in the nap passes at once":    {50_000, 1, []time.Duration{0, nap}, 50, nap},
		"a timer that is late loses nothing":         {50_000, 1, []time.Duration{0, 40 * time.Millisecond}, 2000, nap},
		"nor does one before a single message":       {10, 1, []time.Duration{0, 150 * time.Millisecond}, 1, 50 * time.Millisecond},
		"more than a tenth of a second is lost":      {1000, 1, []time.Duration{0, time.Hour}, 101, nap},
		"but a batch is kept":                        {1000, 500, []time.Duration{0, time.Hour}, 600, nap},
		"a second that is full waits for its oldest": {100, 1, append(full, time.Hour+990*time.Millisecond), 0, second - 990*time.Millisecond},
		"and what has left it makes room":            {100, 1, append(full, time.Hour+990*time.Millisecond, time.Hour+second), 10, 9900 * time.Microsecond},
	} {
		a := newTokenBucket(start, test.batch)
		a.setRate(start, test.rate)
		var n int
		var wait time.Duration
		for _, after := range test.after {
			n, wait = passedNow(a, start.Add(after), 1_000_000)
		}
		if n != test.n || (wait-test.wait).Abs() > time.Microsecond {
			t.Errorf("%s: %d pass, and the next waits %s; want %d and %s", sentence, n, wait, test.n, test.wait)
		}
	}
}

// late takes messages for a while, and oversleeps each wait.
func late(a *tokenBucket, rate float64, batch int, span time.Duration, oversleep func() time.Duration) (all []enginetest.Sent) {
	start := a.began
	a.setRate(start, rate)
	for now := start; now.Sub(start) < span; {
		if wait := take(a, now, batch, 0); wait > 0 {
			now = now.Add(wait + oversleep())
			continue
		}
		all = append(all, enginetest.Sent{At: now, N: batch})
	}
	return all
}

func TestLateTimersCostNothing(t *testing.T) {
	start := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	for sentence, test := range map[string]struct {
		rate  float64
		batch int
		late  time.Duration // at most
		stall time.Duration // one wait in a hundred is so much longer
	}{
		"the national rate, one by one":      {59.03, 1, time.Millisecond, 0},
		"on a machine with other work":       {59.03, 1, 20 * time.Millisecond, 80 * time.Millisecond},
		"in batches of ten seconds":          {59.03, 590, 20 * time.Millisecond, 80 * time.Millisecond},
		"5,000 a second, one by one":         {5000, 1, time.Millisecond, 0},
		"with stalls":                        {5000, 1, time.Millisecond, 5 * time.Millisecond},
		"50,000 a second, one by one":        {50_000, 1, time.Millisecond, 0},
		"50,000 a second, with stalls":       {50_000, 1, time.Millisecond / 2, 5 * time.Millisecond},
		"50,000 a second, by the hundred":    {50_000, 100, time.Millisecond, 20 * time.Millisecond},
		"5,000 a second, a second in a gulp": {5000, 5000, 10 * time.Millisecond, 50 * time.Millisecond},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		span := max(10*time.Second, time.Duration(1000*float64(test.batch)/test.rate*float64(time.Second)))
		all := late(newTokenBucket(start, test.batch), test.rate, test.batch, span, func() time.Duration {
			d := time.Duration(rng.Float64() * float64(test.late))
			if rng.IntN(100) == 0 {
				d += test.stall
			}
			return d
		})
		due := test.rate * all[len(all)-1].At.Sub(start).Seconds()
		if achieved := float64(len(all)*test.batch) / due; achieved < 0.999 || achieved > 1.000001 {
			t.Errorf("%s: %.3f %% of the rate", sentence, achieved*100)
		}
		if worst, most := enginetest.WorstSecond(all), test.rate+float64(test.batch); float64(worst) > most {
			t.Errorf("%s: %d messages in one second, and %v are allowed", sentence, worst, most)
		}
	}
}

// Requests of any size come at any time, and late. No second has more than the rate and one
// batch, no more passes than has come due, and every request gets through.
func TestTheBucketNeverGivesTooMuch(t *testing.T) {
	start := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.5, 5000).Draw(t, "rate")
		batch := rapid.IntRange(1, 1000).Draw(t, "batch")
		a := newTokenBucket(start, batch)
		a.setRate(start, rate)
		var all []enginetest.Sent
		total, now := 0, start
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			if rapid.Bool().Draw(t, "idle") {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "for")))
			}
			n := rapid.IntRange(1, batch).Draw(t, "n")
			tries := 0
			for wait := take(a, now, n, 0); wait > 0; wait = take(a, now, n, 0) {
				if tries++; tries > 50 {
					t.Fatalf("%d messages wait for ever", n)
				}
				now = now.Add(wait + time.Duration(rapid.Int64Range(0, int64(10*time.Millisecond)).Draw(t, "late")))
			}
			all = append(all, enginetest.Sent{At: now, N: n})
			if total += n; float64(total) > rate*now.Sub(start).Seconds()+1e-6 {
				t.Fatalf("%d messages after %s", total, now.Sub(start))
			}
		}
		if worst := enginetest.WorstSecond(all); float64(worst) > rate+float64(batch)+1e-6 {
			t.Fatalf("%d messages in one second", worst)
		}
	})
}

// The request that has the turn is not overtaken by smaller ones: its messages are reserved.
func TestWhoWaitsIsNotOvertakenForEver(t *testing.T) {
	start := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	a := newTokenBucket(start, 100)
	a.setRate(start, 1000)
	now := start.Add(50 * time.Millisecond) // 50 have come due
	if wait := take(a, now, 80, 0); wait != 30*time.Millisecond+1 {
		t.Errorf("80 wait for %s", wait)
	}
	if wait := take(a, now, 1, 80); wait == 0 {
		t.Error("one message is let through at the expense of the 80 that were first")
	}
	if wait := take(a, now.Add(31*time.Millisecond), 1, 80); wait != 0 {
		t.Errorf("one message waits for %s though it costs the 80 nothing", wait)
	}
	if wait := take(a, now.Add(31*time.Millisecond), 80, 0); wait != 0 {
		t.Errorf("the 80 wait for another %s", wait)
	}
}

func TestALowerRateHoldsAtOnce(t *testing.T) {
	start := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	a := newTokenBucket(start, 1)
	a.setRate(start, 1000)
	before := late(a, 1000, 1, time.Second, func() time.Duration { return 0 })
	now := start.Add(time.Second)
	a.setRate(now, 10)
	if n, wait := passedNow(a, now, 100); n != 0 || wait < 900*time.Millisecond {
		t.Errorf("after %d in a second at the higher rate %d pass, and the next waits %s", len(before), n, wait)
	}
	if n, _ := passedNow(a, now.Add(1500*time.Millisecond), 100); n == 0 || n > 11 {
		t.Errorf("a second later %d pass at once", n)
	}
}
