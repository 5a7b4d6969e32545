package dispatch

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
)

func TestPoolSize(t *testing.T) {
	for sentence, test := range map[string]struct {
		requests float64
		latency  time.Duration
		ceiling  int
		want     int
	}{
		"a slow pace and quick answers need two":          {0.1, 100 * time.Millisecond, 16, 2},
		"a batch each ten seconds, answered in 29":        {0.1, 29 * time.Second, 16, 7},
		"ten a second that take half a second each":       {10, 500 * time.Millisecond, 16, 11},
		"one more for the request that is being built":    {1, time.Second, 16, 3},
		"parts are rounded up":                            {1, 1100 * time.Millisecond, 16, 4},
		"no more than the ceiling":                        {1000, time.Second, 16, 16},
		"a ceiling of one outranks the two":               {0.1, time.Millisecond, 1, 1},
		"without a rate the ceiling":                      {0, time.Second, 16, 16},
		"a latency of nothing":                            {59, 0, 16, 2},
		"a rate so high that the product leaves integers": {1e30, time.Hour, 16, 16},
	} {
		if got := poolSize(test.requests, test.latency, test.ceiling); got != test.want {
			t.Errorf("%s: got %d, want %d", sentence, got, test.want)
		}
	}
}

func TestLatencies(t *testing.T) {
	var l latencies
	if l.p95() != time.Second {
		t.Error("without an answer the guess is a second")
	}
	l.add(3 * time.Second)
	if l.p95() != 3*time.Second {
		t.Errorf("of one answer: %s", l.p95())
	}
	l = latencies{}
	for i := range 100 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	if got := l.p95(); got != 96*time.Millisecond {
		t.Errorf("of 1 to 100 ms: %s", got)
	}
	for range 128 {
		l.add(7 * time.Millisecond)
	}
	if got := l.p95(); got != 7*time.Millisecond {
		t.Errorf("old answers are not forgotten: %s", got)
	}
}

// flights counts what is under way at once.
type flights struct {
	*connection
	mu              sync.Mutex
	requests, bytes int
	most, mostBytes int
}

func (f *flights) Send(ctx context.Context, r *engine.Request) engine.Answer {
	f.mu.Lock()
	f.requests, f.bytes = f.requests+1, f.bytes+len(r.Body)
	f.most, f.mostBytes = max(f.most, f.requests), max(f.mostBytes, f.bytes)
	f.mu.Unlock()
	a := f.connection.Send(ctx, r)
	f.mu.Lock()
	f.requests, f.bytes = f.requests-1, f.bytes-len(r.Body)
	f.mu.Unlock()
	return a
}

func TestWhatIsInFlight(t *testing.T) {
	for sentence, test := range map[string]struct {
		messages int // in a batch
		ceiling  int
		budget   int64 // of bodies of the largest size
		rate     float64
		most     int
	}{
		"as many as the ceiling":                              {10, 5, 100, 0, 5},
		"no more than the budget has room for":                {10, 16, 3, 0, 3},
		"one larger than the budget goes alone":               {10, 16, 0, 0, 1},
		"single messages with nothing said":                   {1, 0, 1000, 0, mostFlatOut},
		"batches with nothing said":                           {2, 0, 1000, 0, mostBatches},
		"single messages at a rate, as Little's law has them": {1, 0, 1000, 20, 20*2 + 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(200*test.messages, 3, nil), engine.Limits{Messages: test.messages, Bytes: 1 << 20})
			// A single body is about so long; they differ by a few bytes.
			f := &flights{connection: &connection{kind: engine.Deduplicates, service: s, took: time.Second}}
			plan := enginetest.OpenPlan(t, b.dir)
			size := int64(plan.LargestBody)
			enginetest.Must(t, plan.Close())
			summary, err := b.start(t.Context(), f.connection, func(j *Job) {
				j.Sink = f
				j.Ceiling, j.Budget, j.Pace.PerSecond = test.ceiling, max(1, test.budget*size), test.rate
			})
			if err != nil || !summary.Finished {
				t.Errorf("%s: %v", sentence, err)
			}
			if test.rate == 0 && f.most != test.most || f.most > test.most {
				t.Errorf("%s: %d at once, want %d", sentence, f.most, test.most)
			}
			if int64(f.mostBytes) > max(test.budget*size, size) {
				t.Errorf("%s: %d bytes at once, and the budget is %d bodies of %d", sentence, f.mostBytes, test.budget, size)
			}
		})
	}
}
