package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/bench"
	"cohort/bench/progress"
)

func benchLogCommand() *cobra.Command {
	var (
		o      progress.Options
		task   progress.Task
		output benchOutput[progress.Report]
	)
	c := &cobra.Command{
		Use:   "log",
		Short: "Measure what the progress log costs, beside bbolt and SQLite",
		Long: `Log makes the records of a send durable in groups of 100, 1,000 and 10,000 messages and for
64 and 512 goroutines that each wait for their own fsync; it reads logs back; and it sends
a cohort with the log as it is and without its fsync, in turn. Beside that it asks a plain
file on the same disk, bbolt and SQLite. Every part runs in a process of its own, in rounds
of all of them, and the figures are medians; ratios are taken within a round.
Every message that was said to be durable must be found again, or there are no figures.

The parts are: ` + strings.Join(progress.Names(), ", ") + `.
The fsync of the machine is always among them. bbolt and SQLite are a program of their own,
which is built with the go tool from its source (--peers) and needs gcc; where there is no
source or no tool the table says so.

Nothing is ever sent to anybody, and no run can be made without its fsync.

Exit codes: 0 measured; 1 a part has lost messages; 10 something is not as it must be; 3 stopped.
`,
		Example: `  cohort bench log
  cohort bench log --only log-1000,sqlite-1000,bbolt-1000 --runs 7
  cohort bench log -n 34000 --span 100ms --runs 1 --json`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if task.Part != "" {
				task.Span = o.Span
				return runLogPart(c.Context(), task, c.OutOrStdout())
			}
			if o.Messages < 10_000 || o.Runs <= 0 || o.Span <= 0 {
				return refuse("-n takes a number from 10000 on, --runs one above 0, --span a time above 0")
			}
			if o.Keep = o.Parent != ""; o.Keep {
				if err := os.MkdirAll(o.Parent, 0o700); err != nil {
					return refuse("there is no room to work in: %w", err)
				}
			}
			o.Child = logChild
			o.Say = benchSays(c)
			report, err := progress.Measure(c.Context(), o)
			if err != nil {
				return benchFailed(c.Context(), err)
			}
			return output.show(c, report)
		},
	}
	f := c.Flags()
	f.Int64VarP(&o.Messages, "messages", "n", 3_400_000, "how many messages are read back (ten times as many once more, and a tenth is sent)")
	f.DurationVar(&o.Span, "span", 2*time.Second, "how long each part writes")
	f.IntVar(&o.Runs, "runs", 3, "how many rounds the medians are taken over")
	f.StringSliceVar(&o.Only, "only", nil, "the `parts` to measure, with commas between (default: all)")
	f.StringVar(&o.Peers, "peers", filepath.Join("bench", "peers"), "the `folder` of the peers' source")
	f.StringVar(&o.Parent, "keep", "", "make the files in a new folder in this `folder` and leave them there")
	output.flags(c, "")
	f.StringVar(&task.Part, "part", "", "how this program calls itself")
	f.StringVar(&task.Folder, "folder", "", "the same")
	f.Int64Var(&task.Messages, "number", 0, "the same")
	f.BoolVar(&task.Prepare, "prepare", false, "the same")
	for _, name := range []string{"part", "folder", "number", "prepare"} {
		_ = f.MarkHidden(name) // it is there
	}
	return c
}

// logChild runs a part in a process of its own.
func logChild(ctx context.Context, cores int, t progress.Task) (r progress.Result, err error) {
	err = bench.Again(ctx, cores, &r, "bench", "log", "--part", t.Part, "--folder", t.Folder, "--span", t.Span.String(),
		"--number", strconv.FormatInt(t.Messages, 10), "--prepare="+strconv.FormatBool(t.Prepare))
	return r, err
}

// runLogPart is that process.
func runLogPart(ctx context.Context, t progress.Task, out io.Writer) error {
	result, err := t.Run(ctx)
	if err != nil {
		return refuse("%w", err)
	}
	return json.NewEncoder(out).Encode(result)
}
