package pace

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"cohort/engine/campaign"
)

// BenchmarkGate has 32 goroutines wait at the gate of a run, and at x/time/rate as it is
// usually used. Nothing is sent. "% of rate" is what was reached; cpu-ns/message is the
// processor time of all goroutines.
//
//	go test ./engine/pace -run - -bench Gate -benchtime 2s
func BenchmarkGate(b *testing.B) {
	for _, asked := range []struct {
		perSecond float64
		batch     int
	}{{5000, 1}, {50_000, 1}, {50_000, 100}} {
		at := fmt.Sprintf("%g a second, %d a request", asked.perSecond, asked.batch)
		b.Run("gate/"+at, func(b *testing.B) {
			p := campaign.Pace{PerSecond: asked.perSecond, CatchUp: 1, Location: time.UTC}
			g := gateOf(p, false, asked.batch)
			benchmarkPass(b, asked.perSecond, asked.batch, func(ctx context.Context, n int) error { return pass(ctx, g, n) })
		})
		b.Run("x-time-rate/"+at, func(b *testing.B) {
			l := rate.NewLimiter(rate.Limit(asked.perSecond), asked.batch)
			benchmarkPass(b, asked.perSecond, asked.batch, l.WaitN)
		})
	}
}

// benchmarkPass has requests pass: an operation is one request.
func benchmarkPass(b *testing.B, perSecond float64, batch int, wait func(context.Context, int) error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	before := processorSeconds(b)
	var pool sync.WaitGroup
	for range 32 {
		pool.Go(func() {
			for left.Add(-1) >= 0 {
				if err := wait(b.Context(), batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	pool.Wait()
	messages := float64(b.N * batch)
	b.ReportMetric(messages/b.Elapsed().Seconds()/perSecond*100, "%-of-rate")
	b.ReportMetric((processorSeconds(b)-before)/messages*1e9, "cpu-ns/message")
}

// processorSeconds is the processor time of this process.
func processorSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
