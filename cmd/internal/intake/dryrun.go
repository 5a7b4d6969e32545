package intake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/cmd/internal/output"
	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/shard"
	"cohort/sinks"
	"cohort/sinks/file"
)

// dryRun renders every request of a send into a file, and sends none. It is a check that
// keeps what it has rendered: there is no run, and nothing to resume.
func DryRun(cmd *cobra.Command, campaignPath string, args []string, path string) error {
	var other string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "campaign" && f.Name != "dry-run" {
			other = f.Name
		}
	})
	switch {
	case path == "":
		return refusal.New("dry_run_without_file")
	case other != "":
		return refusal.New("dry_run_with_flag", "flag", other)
	}
	c := Check{alone: true}
	if err := c.Prepare(cmd, campaignPath, args, "send --dry-run "+refusal.ShellWord(path)); err != nil {
		return err
	}
	if err := output.KeepInputs(path, append([]string{c.Campaign.Path}, c.Paths...)); err != nil {
		return err
	}
	if err := output.CheckFolder(path); err != nil {
		return err
	}
	if at := output.Taken(path, ""); at != "" { // also before the work; DryRun looks again
		return refusal.New("dry_run_file_exists", "file", at)
	}
	requests, messages := 0, 0
	c.Look = func(ctx context.Context, spool *shard.Spool, fields []string, digest [32]byte) error {
		sink, err := sinks.Measuring(c.Campaign, fields)
		if err != nil {
			return err
		}
		// References of its own: no file of a rehearsal, put before a service by mistake, may
		// take those of the real run.
		run := engine.NewRunID(c.Campaign.Name, digest, "dry run of "+c.Campaign.ServiceID(false))
		shards, err := plan.Cut(ctx, run, spool, sink, sink.Limits())
		if err != nil {
			return err
		}
		_, rows := sink.(engine.Separated)
		err = file.DryRun(path, rows, render(ctx, plan.NewRenderer(run, spool, sink), shards, func(r *engine.Request) {
			requests, messages = requests+1, messages+len(r.Messages)
		}))
		if errors.Is(err, fs.ErrExist) {
			return refusal.New("dry_run_file_exists", "file", path)
		}
		if err != nil && ctx.Err() == nil {
			return refusal.New("dry_run_unwritable", "cause", err)
		}
		return err
	}
	found, err := c.Run(cmd.Context())
	if err != nil {
		return err
	}
	if !found.WouldSend {
		return refusal.New("send_would_be_refused", "why", found.Why)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "dry run  %s: %d requests of %d messages; nothing was sent\n", path, requests, messages)
	return nil
}

// render yields the request of each planned batch that holds anybody, in their order.
func render(ctx context.Context, r *plan.Renderer, shards [][]plan.Batch, seen func(*engine.Request)) iter.Seq2[*engine.Request, error] {
	return func(yield func(*engine.Request, error) bool) {
		for _, batches := range shards {
			for i := range batches {
				b := &batches[i]
				if b.Messages == 0 {
					continue
				}
				request, err := r.Render(b, plan.FormID{}, &b.Form)
				if err == nil {
					err = ctx.Err()
				}
				if err == nil {
					seen(request)
				}
				if !yield(request, err) || err != nil {
					return
				}
			}
		}
	}
}
