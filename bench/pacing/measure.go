package pacing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"cohort/bench"
)

// Options say what is measured.
type Options struct {
	Span    time.Duration // how long each cell goes on
	Runs    int           // rounds; each figure is the median over them
	Only    []string      // senders; all when empty
	Sources string        // the folder with the peers' sources

	// Child runs a sender in a process of its own, on so many cores.
	Child func(ctx context.Context, cores int, t Task) (Result, error)
	// Say tells a person what is going on.
	Say func(format string, args ...any)
}

// Measure measures all cells, round by round. It stops at the first that fails; vegeta's
// pacer is left out where it cannot be built.
func Measure(ctx context.Context, o Options) (_ Report, err error) {
	senders, err := chosen(o.Only)
	if err != nil {
		return Report{}, err
	}
	folder, err := os.MkdirTemp("", "cohort-bench-")
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	report := Report{Machine: bench.ThisMachine(), Runs: o.Runs, Span: o.Span.Seconds()}
	pacer := filepath.Join(folder, "pacer")
	absent := map[string]string{}
	if slices.Contains(senders, vegetaSender) {
		o.Say("building vegeta's pacer")
		err := bench.BuildPeer(ctx, filepath.Join(o.Sources, "vegeta"), "./pacer", pacer)
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
		if err != nil {
			absent[vegetaSender] = err.Error()
			o.Say("it is left out: %v", err)
		}
	}
	all := cells(senders)
	rounds := make([][]Result, o.Runs)
	for i := range rounds {
		for _, c := range all {
			var r Result
			if absent[c.sender] == "" {
				o.Say("round %d of %d: %s", i+1, o.Runs, c)
				if r, err = run(ctx, o, c, pacer); err != nil {
					return Report{}, fmt.Errorf("%s: %w", c, err)
				}
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	report.Rows = tabulate(all, rounds, absent)
	return report, nil
}

// run runs a cell once.
func run(ctx context.Context, o Options, c cell, pacer string) (r Result, err error) {
	cores := bench.ThisMachine().Cores
	if c.sender == vegetaSender {
		r, err = runVegeta(ctx, cores, c, o.Span, pacer)
	} else {
		r, err = o.Child(ctx, cores, Task{Sender: c.sender, Rate: c.rate, Batch: c.batch, Span: o.Span})
	}
	if err == nil && r.Requests < 10 {
		err = fmt.Errorf("%d requests say nothing of a rate; let it go on longer with --span", r.Requests)
	}
	return r, err
}

// runVegeta runs the peer's program. Its pacer takes a whole number of hits in a time.
func runVegeta(ctx context.Context, cores int, c cell, span time.Duration, pacer string) (Result, error) {
	hits := int(math.Round(c.rate / float64(c.batch) * 100))
	var said struct {
		Moments [][]int64 `json:"moments"`
		Seconds float64   `json:"seconds"`
		CPU     float64   `json:"cpu_seconds"`
	}
	err := bench.Ask(ctx, pacer, cores, &said, "--hits="+strconv.Itoa(hits), "--per=100s", "--span="+span.String(), "--workers="+strconv.Itoa(goroutines))
	return Result{Passing: passing(said.Moments), Usage: bench.Usage{Seconds: said.Seconds, CPU: said.CPU}}, err
}
