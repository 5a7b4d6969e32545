package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/bench"
	"cohort/bench/pacing"
)

func benchPaceCommand() *cobra.Command {
	var (
		o      pacing.Options
		task   string
		output = benchOutput[pacing.Report]{chart: pacing.Report.Chart}
	)
	c := &cobra.Command{
		Use:   "pace",
		Short: "Measure how exactly requests are paced, beside others",
		Long: `Pace has 32 goroutines wait at the gate of a run, at the national rate of 59.03 messages a
second, at 5,000 and at 50,000, and says of each what rate was reached, the most messages
in any sliding second beside the most that there may be (the rate and one batch), and the
processor time of one message's waiting. Nothing is sent. Every cell runs in a process of
its own, in rounds of all of them, and the figures are medians.

The gates are: ` + strings.Join(pacing.Senders(), ", ") + `. Rate is golang.org/x/time/rate as it is
commonly used; vegeta is the pacer of vegeta's attack, a program that is built with the go
tool from its source (--peers), and left out where that cannot be done.

Exit codes: 0 measured; 10 something is not as it must be; 3 stopped.
`,
		Example: `  cohort bench pace --json > pace.json
  cohort bench pace --from pace.json --picture pace.svg
  cohort bench pace --only cohort --span 30s --runs 1`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if task != "" {
				return runBenchPacer(c, task)
			}
			if output.from != "" {
				return output.again(c)
			}

			if o.Runs <= 0 || o.Span <= 0 {
				return refuse("--span and --runs take numbers above 0")
			}
			o.Child = func(ctx context.Context, cores int, t pacing.Task) (r pacing.Result, err error) {
				text, _ := json.Marshal(t) // it is numbers and texts
				err = bench.Again(ctx, cores, &r, "bench", "pace", "--task", string(text))
				return r, err
			}
			o.Say = benchSays(c)
			report, err := pacing.Measure(c.Context(), o)
			if err != nil {
				return benchFailed(c.Context(), err)
			}
			return output.show(c, report)
		},
	}
	f := c.Flags()
	f.DurationVar(&o.Span, "span", 5*time.Second, "how long each cell goes on")
	f.IntVar(&o.Runs, "runs", 3, "how many rounds the medians are taken over")
	f.StringSliceVar(&o.Only, "only", nil, "the `gates` to measure beside cohort's, with commas between (default: all)")
	f.StringVar(&o.Sources, "peers", "bench/peers", "the `folder` with the peers' sources")
	output.flags(c, "the processor time")
	f.StringVar(&task, "task", "", "how this program calls itself")
	_ = f.MarkHidden("task") // it is there
	return c
}

// runBenchPacer is the process that waits at a gate.
func runBenchPacer(c *cobra.Command, task string) error {
	var t pacing.Task
	if err := json.Unmarshal([]byte(task), &t); err != nil {
		return refuse("the task cannot be read: %w", err)
	}
	result, err := t.Run(c.Context())
	if err != nil {
		return refuse("%w", err)
	}
	return json.NewEncoder(c.OutOrStdout()).Encode(result)
}
