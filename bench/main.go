// Bench measures the built cohort program from outside, beside other programs that do the
// same work:
//
//	go run ./bench ingest|send|floor|log|pace|watch
//
// Each part runs in a process of its own, and rounds of all parts follow each other, so
// that a slow minute of the machine is slow for all of them. Every figure is the median of
// its rounds. Every ratio is taken within a round. README.md says what each part does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// measurements are the subcommands.
var measurements = map[string]func(context.Context, *bencher) ([]table, error){
	"ingest": ingestTables,
	"send":   sendTables,
	"floor":  floorTables,
	"log":    logTables,
	"pace":   paceTables,
	"watch":  watchTables,
}

const usageText = `usage: go run ./bench ingest|send|floor|log|pace|watch [flags]

  ingest  how fast a cohort file is read
  send    how fast a cohort is sent, and how soon a stopped run goes on
  floor   how far each stage of a send is from the least that it could cost
  log     what the progress log costs
  pace    how exactly a send keeps to a rate
  watch   what it costs a send that its metrics are scraped, and that a page shows it

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the program: a measurement, or one of its children.
func run(ctx context.Context, args []string) error {
	if len(args) > 1 && args[0] == childWord {
		return runChild(ctx, args[1], args[2:])
	}
	b := &bencher{started: time.Now()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.records, "n", 3_400_000, "`records` in the cohort; pace makes its own")
	flags.IntVar(&b.runs, "runs", 3, "`rounds` that the medians are taken over")
	flags.DurationVar(&b.span, "span", 5*time.Second, "pace: how long each part sends")
	flags.DurationVar(&b.latency, "latency", 0, "send and log: how long the service takes to answer")
	flags.StringVar(&b.binary, "binary", "", "the cohort `program` to measure (default: build it)")
	flags.StringVar(&b.parent, "dir", os.TempDir(), "the `folder` to work in; its disk holds the progress log")
	flags.BoolVar(&b.wholeSingle, "whole", false, "one message a request: send the whole cohort instead of a tenth")
	flags.BoolVar(&b.asJSON, "json", false, "print JSON in place of tables")
	flags.Usage = func() {
		fmt.Fprint(os.Stderr, usageText)
		flags.PrintDefaults()
	}
	if len(args) == 0 || measurements[args[0]] == nil {
		flags.Usage()
		return errors.New("the first argument must be ingest, send, floor, log, pace or watch")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if b.records < 100 || b.runs < 1 || b.span < 100*time.Millisecond || b.latency < 0 || flags.NArg() > 0 {
		return errors.New("-n must be at least 100, -runs at least 1, -span at least 100ms, -latency at least 0; " +
			"there are no other arguments")
	}
	b.name, b.tables, b.out = args[0], measurements[args[0]], os.Stdout
	return b.all(ctx)
}

// all makes a folder, measures in it, prints, and removes the folder.
func (b *bencher) all(ctx context.Context) (err error) {
	if b.folder, err = os.MkdirTemp(b.parent, "cohort-bench-"); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(b.folder))
		for _, f := range b.atEnd {
			err = errors.Join(err, f())
		}
	}()
	if b.folder, err = filepath.Abs(b.folder); err != nil {
		return err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.folder, "cohort")
		b.say("building cohort")
		build := program{path: "go", args: []string{"build", "-o", b.binary, "cohort/cmd/cohort"}}
		if _, _, err := runProgram(ctx, build); err != nil {
			return err
		}
	} else if b.binary, err = filepath.Abs(b.binary); err != nil {
		return err
	}
	version, _, err := runProgram(ctx, program{path: b.binary, args: []string{"--version"}})
	if err != nil {
		return err
	}
	b.version = strings.TrimSpace(string(version))
	tables, err := b.tables(ctx, b)
	if err != nil {
		return err
	}
	rounds, err := b.measure(ctx, tables)
	if err != nil {
		return err
	}
	return b.print(tables, rounds)
}

// measure runs every cell once a round.
func (b *bencher) measure(ctx context.Context, tables []table) (rounds []round, err error) {
	for i := range b.runs {
		r := round{}
		for _, t := range tables {
			samples := map[string]sample{}
			for _, c := range t.cells {
				b.say("round %d of %d: %s: %s", i+1, b.runs, t.title, c.name)
				s, err := c.run(ctx)
				if ctx.Err() != nil {
					return nil, errors.New("stopped")
				}
				if err != nil {
					return nil, fmt.Errorf("%s: %w", c.name, err)
				}
				samples[c.name] = s
			}
			r = append(r, samples)
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// say tells a person how far the measurement has come.
func (b *bencher) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(b.started).Seconds(), fmt.Sprintf(format, args...))
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
