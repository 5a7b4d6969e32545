package pacing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cohort/bench"
	"cohort/engine/campaign"
	"cohort/engine/pace"
)

// goroutines is how many stand at the gate.
const goroutines = 32

// Task is what one process of a measurement does.
type Task struct {
	Sender string
	Rate   float64 // messages a second
	Batch  int     // messages a request
	Span   time.Duration
}

// Result is what came of it.
type Result struct {
	Passing
	Usage bench.Usage `json:"usage"`
}

// Run keeps to a rate in this process, which should do nothing else.
func (t Task) Run(ctx context.Context) (r Result, err error) {
	wait, err := t.gate()
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.Span)
	defer cancel()
	var moments [][]int64
	r.Usage, err = bench.Measure(func() error {
		moments = t.passAll(ctx, wait)
		return nil
	})
	r.Passing = passing(moments)
	return r, err
}

// gate is what the goroutines wait at.
func (t Task) gate() (wait func(ctx context.Context) error, err error) {
	switch t.Sender {
	case cohortSender:
		// Through everything that a request of a run passes: a window, which never ends, and
		// the rate that its length and capacity make.
		const day = 24 * time.Hour
		speed := campaign.Pace{Messages: int64(t.Rate * day.Seconds()), CatchUp: 1, Window: &campaign.Hours{From: 0, To: int(day.Minutes())}, Location: time.UTC}
		gate := pace.NewPacer(speed, t.Batch)
		return func(ctx context.Context) error { return gate.WaitN(ctx, t.Batch) }, nil
	case rateSender:
		limiter := rate.NewLimiter(rate.Limit(t.Rate), t.Batch)
		return func(ctx context.Context) error { return limiter.WaitN(ctx, t.Batch) }, nil
	}
	return nil, fmt.Errorf("there is no sender %q", t.Sender)
}

// passAll has all goroutines pass a gate until ctx is done, and returns the moments.
func (t Task) passAll(ctx context.Context, wait func(context.Context) error) [][]int64 {
	var pool sync.WaitGroup
	start := time.Now()
	moments := make([][]int64, goroutines)
	for i := range moments {
		// Room for twice its share: growing a slice is no part of the waiting.
		moments[i] = make([]int64, 0, 16+2*int(t.Rate*t.Span.Seconds())/t.Batch/goroutines)
		pool.Go(func() {
			for wait(ctx) == nil {
				moments[i] = append(moments[i], int64(time.Since(start)))
			}
		})
	}
	pool.Wait()
	return moments
}
