package intake

import (
	"cmp"
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
	"cohort/sinks/file"
)

// DryRun reads a cohort as a check does, writes every request to a file, and sends none. It starts
// no run.
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
	// References of its own: a file that is handed to the service by mistake must not use up the
	// references of the real run.
	c.service = "dry run of " + c.Campaign.ServiceID(false)
	if err := output.KeepInputs(path, append([]string{c.Campaign.Path}, c.Paths...)); err != nil {
		return err
	}
	if err := output.CheckFolder(path, ""); err != nil {
		return err
	}
	if at := output.Taken(path, ""); at != "" { // file.DryRun looks again
		return refusal.New("dry_run_file_exists", "file", at)
	}
	requests, messages := 0, 0
	c.Look = func(ctx context.Context, cut *Cut) error {
		_, rows := cut.Sink.(engine.Separated)
		err := file.DryRun(path, rows, cut.render(ctx, func(r *engine.Request) {
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

// render yields the request of each batch that holds anybody, in order.
func (c *Cut) render(ctx context.Context, seen func(*engine.Request)) iter.Seq2[*engine.Request, error] {
	r := plan.NewRenderer(c.Run.References(), c.Spool, c.Sink)
	return func(yield func(*engine.Request, error) bool) {
		for b, err := range c.Batches.Each() {
			if b.Messages == 0 && err == nil {
				continue
			}
			var request *engine.Request
			if err = cmp.Or(err, ctx.Err()); err == nil {
				request, err = r.Render(&b, plan.FormID{}, &b.Form)
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
