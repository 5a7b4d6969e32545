package callbacks

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/facts"
	"cohort/engine/plan"
	receive "cohort/sinks/callbacks"
)

// The memory of a receiver, and of who reads the run's events back, is the same after a part of the
// callbacks as after all of them: 1 and 10 million for 3.4 million messages, or fewer without COHORT_PROVE.
// What the reader needs for the events of one message, and for the rows, is no part of the comparison.
func TestMemoryIsFlatOverMillionsOfCallbacks(t *testing.T) {
	const most, each, atOnce = 4 << 20, 3, 1 << 14 // bytes that may be added; events a message; messages that are folded at once
	rows, few, all := int64(1_000_000), 50_000, 100_000
	if os.Getenv("COHORT_PROVE") != "" {
		rows, few, all = 3_400_000, 1_000_000, 10_000_000
	}
	run := filepath.Join(t.TempDir(), "run")
	must(t, os.Mkdir(run, 0o700))
	p := &plan.Plan{}
	p.Run = engine.NewRunID("run", [32]byte{}, "service")
	p.References, p.Records = p.Run.References(), rows
	shared, err := openInbox(filepath.Join(filepath.Dir(run), facts.SharedFolder), slog.Default())
	must(t, err)
	receiver := receive.New(receive.Options{Store: shared, Log: slog.New(slog.DiscardHandler), APIKeyHeader: "x-api-key"})
	receiver.TrustKeys("app-1", "key")

	var next atomic.Int64
	receiving := func(upTo int) func(func()) {
		return func(look func()) {
			var callers sync.WaitGroup
			for range 256 {
				callers.Go(func() {
					for n := next.Add(1); n <= int64(upTo); n = next.Add(1) {
						body := aCallback(int(n), p.References.Message(1+n/each%rows).String(), time.Unix(1_800_000_000, n*1e6))
						if answer := handle(receiver, body); answer != http.StatusAccepted {
							t.Errorf("callback %d gets %d", n, answer)
							return
						}
						if n%int64(few/20) == 0 {
							look()
						}
					}
				})
			}
			callers.Wait()
			next.Store(int64(upTo))
		}
	}
	reading := func(want int) func(func()) {
		return func(look func()) {
			states, err := facts.Of(run, p).States(t.TempDir())
			must(t, err)
			defer func() { _ = states.Close() }()
			events := 0
			for s, err := range states.All() {
				must(t, err)
				if events += s.State.Events; s.Row%atOnce == 1 {
					look()
				}
			}
			if events != want {
				t.Errorf("%d events are read back, not %d", events, want)
			}
		}
	}
	received := peak(receiving(few))
	read := peak(reading(few))
	receivedAll := peak(receiving(all))
	readAll := peak(reading(all))
	must(t, shared.Close())
	t.Logf("live heap at most, after %d and after %d callbacks: receiving %.1f and %.1f MiB, reading back %.1f and %.1f MiB",
		few, all, mib(received), mib(receivedAll), mib(read), mib(readAll))
	if receivedAll > received+most || readAll > read+most+uint64(rows/atOnce)*48<<10 { // for the rows, as the sorter says
		t.Error("the memory is not flat")
	}
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// handle gives a receiver a callback without a connection.
func handle(receiver http.Handler, body string) int {
	var w answered
	header := http.Header{"X-Api-Key": {"key"}, "X-Hmac-Sha256-Signature": {signature("key", body)}}
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: receive.ChannelsPath}, Header: header, Body: io.NopCloser(strings.NewReader(body))}
	receiver.ServeHTTP(&w, r.WithContext(context.Background()))
	return w.status
}

type answered struct {
	header http.Header
	status int
}

func (a *answered) WriteHeader(status int)      { a.status = status }
func (a *answered) Write(p []byte) (int, error) { return len(p), nil }
func (a *answered) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// peak returns the most that is alive on the heap whenever work looks.
func peak(work func(look func())) (most uint64) {
	var mu sync.Mutex
	work(func() {
		mu.Lock()
		defer mu.Unlock()
		runtime.GC()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		most = max(most, live[0].Value.Uint64())
	})
	return most
}
