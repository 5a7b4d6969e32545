package main

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cohort/bench"
	"cohort/bench/intake"
	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/shard"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure cohort on this machine, beside others",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(benchIngestCommand(), benchLogCommand(), benchPaceCommand(), benchSendCommand())
	return c
}

func benchIngestCommand() *cobra.Command {
	var (
		o      intake.Options
		task   intake.Task
		output benchOutput[intake.Report]
	)
	c := &cobra.Command{
		Use:   "ingest",
		Short: "Measure how fast and in how much memory a cohort is read",
		Long: `Ingest makes a synthetic cohort, reads it in every way named below, and says of each its
records and megabytes a second, its processor time and its peak memory. Every way runs in
a process of its own, in rounds of all of them, and the figures are medians; rates are
also given as multiples of that of encoding/csv, and those of packed files as multiples of
unpacking alone.
All must find the same records, valid numbers and people in it, or there are no figures.

The parts are: ` + strings.Join(intake.Names(), ", ") + `.
encoding-csv is always among them. DuckDB is asked through the program duckdb; where it is
not on the PATH the table says so.

3,400,000 records take about 600 MB of disk while they are measured and some minutes;
34,000,000 take 10 GB. With too little room a size is skipped, which is said.

Exit codes: 0 measured; 1 a part has miscounted; 10 something is not as it must be; 3 stopped.
`,
		Example: `  cohort bench ingest
  cohort bench ingest --only prepare --sizes 340000,3400000,34000000
  cohort bench ingest -n 340000 --runs 1 --only validate,duckdb --json`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if task.Part != "" {
				return runBenchPart(c.Context(), task, c.OutOrStdout())
			}
			if !c.Flags().Changed("sizes") {
				o.Sizes = []int{max(1, o.Records/10), o.Records}
			}
			if err := checkBench(&o); err != nil {
				return err
			}
			o.Child = benchChild
			o.Say = benchSays(c)
			report, err := intake.Measure(c.Context(), o)
			if err != nil {
				return benchFailed(c.Context(), err)
			}
			return output.show(c, report)
		},
	}
	f := c.Flags()
	f.IntVarP(&o.Records, "records", "n", 3_400_000, "how many records")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed, another cohort")
	f.IntVar(&o.Runs, "runs", 3, "how many rounds the medians are taken over")
	f.StringSliceVar(&o.Only, "only", nil, "the `parts` to measure, with commas between (default: all)")
	f.IntSliceVar(&o.Sizes, "sizes", nil, "the `numbers` of records of the cohorts that the whole prepare is measured on (default: a tenth of -n, and -n)")
	f.StringVar(&o.Parent, "keep", "", "make the files in a new folder in this `folder` and leave them there")
	output.flags(c, "")
	for name, into := range map[string]*string{"part": &task.Part, "file": &task.File, "list": &task.List, "folder": &task.Folder} {
		f.StringVar(into, name, "", "how this program calls itself")
		_ = f.MarkHidden(name) // it is there
	}
	return c
}

func checkBench(o *intake.Options) error {
	for _, n := range append([]int{o.Records, o.Runs}, o.Sizes...) {
		if n <= 0 {
			return refuse("-n, --runs and --sizes take numbers above 0")
		}
	}
	if o.Keep = o.Parent != ""; o.Keep {
		if err := os.MkdirAll(o.Parent, 0o700); err != nil {
			return refuse("there is no room to work in: %w", err)
		}
	}
	return nil
}

// benchChild runs a part in a process of its own.
func benchChild(ctx context.Context, cores int, t intake.Task) (r intake.Result, err error) {
	err = bench.Again(ctx, cores, &r, "bench", "ingest", "--part", t.Part, "--file", t.File, "--list", t.List, "--folder", t.Folder)
	return r, err
}

// runBenchPart is that process.
func runBenchPart(ctx context.Context, t intake.Task, out io.Writer) (err error) {
	if t.Product, err = benchProduct(); err != nil {
		return err
	}
	result, err := t.Run(ctx)
	if err != nil {
		return refuse("%w", err)
	}
	return json.NewEncoder(out).Encode(result)
}

// benchProduct reads a cohort as send and check do.
func benchProduct() (intake.Product, error) {
	c, err := campaign.Parse(intake.Campaign, "/campaign.yaml")
	if err != nil {
		return intake.Product{}, err
	}
	fields, err := fieldsOf(c)
	if err != nil {
		return intake.Product{}, err
	}
	whole := func(ctx context.Context, file, folder string, exclude iter.Seq2[shard.Exclusion, error]) (shard.Manifest, error) {
		reader, err := openCohort(ctx, c, input{paths: []string{file}})
		if err != nil {
			return shard.Manifest{}, err
		}
		size := plan.Cohort{Bytes: reader.Files()[0].Bytes}
		manifest, _, err := buildSpool(ctx, folder, reader, c, fields, size, exclude, nil)
		return manifest, err
	}
	return intake.Product{Options: ingestOptions(c, fields, input{}), Prepare: whole}, nil
}
