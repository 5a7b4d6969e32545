package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/bench"
	"cohort/bench/dispatch"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/sinks/notify"
)

func benchSendCommand() *cobra.Command {
	var (
		o      dispatch.Options
		task   string
		output = benchOutput[dispatch.Report]{chart: dispatch.Report.Chart}
	)
	c := &cobra.Command{
		Use:   "send",
		Short: "Measure how fast a cohort is sent, beside others",
		Long: `Send makes a synthetic cohort and its plans, sends them to a service in another process on
this machine, and says of each way its messages a second, the processor time and the peak
memory of the sender alone, and how often the progress log was synced. Beside every cell
of the engine stand two floors, which post ready-made requests of the same size.

The service is not the simulator: it finds the messages in a request and answers with an
id for each, but does not parse the JSON, since a service that does is slower than its
senders. One cell is against the strict simulator. The service's count must be what the
sender says it has sent, or there are no figures.

The groups of cells are: ` + strings.Join(dispatch.Groups(), ", ") + `; and the peers are:
` + strings.Join(dispatch.Peers(), ", ") + `. Their sources are in bench/peers; one that cannot
be built or has no interpreter here is left out, which is said.

A cell is stopped after --bound, and its rate is what it reached. All cells of 3,400,000
records take some 4 GB of disk and an hour.

Exit codes: 0 measured; 1 a sender has miscounted; 10 something is not as it must be; 3 stopped.
`,
		Example: `  cohort bench send --json > send.json
  cohort bench send --from send.json --picture send.svg
  cohort bench send -n 340000 --runs 1 --only batched,single --latencies 0s
  cohort bench send --only whole,node,python`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if task != "" {
				return runBenchSender(c, task)
			}
			if output.from != "" {
				return output.again(c)
			}

			if err := checkBenchSend(&o); err != nil {
				return err
			}
			o.Product = benchSendProduct(c)
			o.Child = func(ctx context.Context, cores int, t dispatch.Task) (r dispatch.Result, err error) {
				err = bench.Again(ctx, cores, &r, benchSendArgs(t)...)
				return r, err
			}
			o.Start = func(ctx context.Context, cores int, t dispatch.Task) (*bench.Background, error) {
				return bench.Start(ctx, cores, benchSendArgs(t)...)
			}
			o.Say = benchSays(c)
			report, err := dispatch.Measure(c.Context(), o)
			if err != nil {
				return benchFailed(c.Context(), err)
			}
			return output.show(c, report)
		},
	}
	f := c.Flags()
	f.IntVarP(&o.Records, "records", "n", 3_400_000, "how many records; a tenth of them where peers send one message a request")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed, another cohort")
	f.IntVar(&o.Runs, "runs", 3, "how many rounds the medians are taken over")
	f.StringSliceVar(&o.Only, "only", nil, "the `groups` and peers to measure, with commas between (default: all)")
	f.DurationSliceVar(&o.Latencies, "latencies", []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond}, "how long the service takes to answer")
	f.DurationVar(&o.Bound, "bound", 20*time.Second, "when to stop a cell")
	f.StringVar(&o.Sources, "peers", "bench/peers", "the `folder` with the peers' sources")
	f.StringVar(&o.Profiles, "profiles", "", "write a profile of the processor and of what is allocated for each cell of the engine and each whole send into this `folder`")
	output.flags(c, "the rates")
	f.StringVar(&task, "task", "", "how this program calls itself")
	_ = f.MarkHidden("task") // it is there
	return c
}

func checkBenchSend(o *dispatch.Options) error {
	if o.Records <= 0 || o.Runs <= 0 || o.Bound <= 0 {
		return refuse("-n, --runs and --bound take numbers above 0")
	}
	for _, l := range o.Latencies {
		if l < 0 {
			return refuse("--latencies takes times such as 0s,20ms")
		}
	}
	if o.Profiles != "" {
		var err error
		if o.Profiles, err = absolute(o.Profiles); err != nil {
			return err
		}
		if err := os.MkdirAll(o.Profiles, 0o700); err != nil {
			return refuse("there is no room for profiles: %w", err)
		}
		if held, err := os.ReadDir(o.Profiles); err != nil || len(held) > 0 {
			return refuse("--profiles takes a folder that is new or empty, and %s is not", o.Profiles)
		}
	}
	return nil
}

// benchSendArgs calls this program for one task.
func benchSendArgs(t dispatch.Task) []string {
	text, _ := json.Marshal(t) // it is numbers and texts
	return []string{"bench", "send", "--task", string(text)}
}

// runBenchSender is that process.
func runBenchSender(c *cobra.Command, task string) error {
	var t dispatch.Task
	if err := json.Unmarshal([]byte(task), &t); err != nil {
		return refuse("the task cannot be read: %w", err)
	}
	if t.Serves() {
		return t.Serve(c.Context(), c.OutOrStdout())
	}
	result, err := t.Run(c.Context(), benchSendProduct(c))
	if err != nil {
		return refuse("%w", err)
	}
	return json.NewEncoder(c.OutOrStdout()).Encode(result)
}

// benchSendProduct prepares and sends as send does.
func benchSendProduct(c *cobra.Command) dispatch.Product {
	return dispatch.Product{
		Spool: func(ctx context.Context, campaign *campaign.Campaign, cohort, folder string) error {
			fields, err := fieldsOf(campaign)
			if err != nil {
				return err
			}
			reader, err := openCohort(ctx, campaign, input{paths: []string{cohort}})
			if err != nil {
				return err
			}
			_, _, err = buildSpool(ctx, folder, reader, campaign, fields, plan.Cohort{Bytes: reader.Files()[0].Bytes}, nil, nil)
			return err
		},
		Sink: func(campaign *campaign.Campaign, connections int) (*notify.Sink, error) {
			fields, err := fieldsOf(campaign)
			if err != nil {
				return nil, err
			}
			sink, _, err := openSinkFor(campaign, fields, connections)
			if err != nil {
				return nil, err
			}
			return sink.(*notify.Sink), nil
		},
		Send: func(ctx context.Context, campaign, cohort, folder string) (func() (int64, error), error) {
			s := session{runFolder: folder, call: call{Campaign: campaign, Cohort: []string{cohort}}}
			s.open(c)
			s.stdout = io.Discard
			return func() (int64, error) { return benchAccepted(folder) }, s.send(ctx)
		},
	}
}

// benchAccepted reads from a run's folder how many messages were accepted.
func benchAccepted(folder string) (int64, error) {
	plan, err := plan.Open(folder)
	if err != nil {
		return 0, err
	}
	defer func() { _ = plan.Close() }()
	ledger, err := ledger.Read(folder, plan)
	if err != nil {
		return 0, err
	}
	return ledger.Account().Fates[person.Accepted], nil
}
