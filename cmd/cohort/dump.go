package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/run"
	"cohort/engine/inspect"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
)

func dumpCommand() *cobra.Command {
	var follow, asJSON bool
	c := &cobra.Command{
		Use:   "dump DIR",
		Short: "Show a run's progress log, one line a record",
		Long: `Dump shows every record of the log in order, one line each, or with --json one object each.
The records hold no personal data: people are positions in their shard, and the report names
their rows. With --follow it goes on as a run writes, until Ctrl-C.

Every object has: seq (from 1), at (UTC), record, segment and offset (its place). record is one of

  run_opened   a process took the run on: pid, host, version, key (fingerprint of the API key)
  attempt      a request is about to be sent: attempt (its number), correlation_id
  outcome      its answer: attempt, result, status (HTTP), code, retry_after_ms, message_ids
  in_doubt     it got no answer, or an unclear one: attempt, status, code, retry_after_ms
  revision     newer forms for an older one: attempt (none: a suppression list asked for it),
               status, code, new_revision, parts (from, to, messages, bytes, digest), people.
               If revision is new_revision, it replaces none: with code retried, refused
               messages are sent again; with code listed, refused people are not to be
  listed_late  a list names people who had been attempted: people
  resolved     what a person decided about a form: result, detail (the reason)
  control      what a person or the run decided: verb, detail
  run_closed   every record has its final fate: fates
  recovered    the log before this one is lost: verb (replay, or hold and why), detail, key

Records about a form of a batch also have: batch (its number in the plan, from 0), revision and
part (0 and 0 as planned), shard, batch_reference. result is accepted, accepted_ids_unknown,
not_accepted, held, foreign or replay. people are objects of position (in the shard),
reason_code, reason. What a record does not say is left out.

Exit codes: 0 done, or ended by Ctrl-C; 10 the log is damaged, it cannot be read, or there is
no run.`,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, plan, err := run.OpenRun(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			d := dump{dir: dir, plan: plan, out: bufio.NewWriterSize(c.OutOrStdout(), 1<<16)}
			d.write = d.line
			if asJSON {
				encoder := json.NewEncoder(d.out)
				encoder.SetEscapeHTML(false)
				d.write = func(e inspect.Entry) error { return encoder.Encode(e) }
			}
			err = d.more(c.Context())
			if follow {
				err = d.follow(c.Context(), err)
			}
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) {
				return nil // the reader has enough
			}
			return err
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on as the run writes, until Ctrl-C")
	c.Flags().BoolVar(&asJSON, "json", false, "an object a line, for programs")
	return c
}

// dump shows a log from the place that it has reached.
type dump struct {
	dir   string
	plan  *plan.Plan
	out   *bufio.Writer
	write func(inspect.Entry) error
	tail  journal.Tail
}

func (d *dump) line(e inspect.Entry) error {
	_, err := io.WriteString(d.out, e.String()+"\n")
	return err
}

// more shows what has come since.
func (d *dump) more(ctx context.Context) error {
	var said error // by what was done with a record, and not by the log
	tail, err := ledger.ReadLog(d.dir, d.plan, d.tail, func(r journal.Record) error {
		var e inspect.Entry
		if said = ctx.Err(); said != nil {
			return said
		}
		e, err := inspect.ReadEntry(d.plan, r)
		if err != nil {
			return err
		}
		said = d.write(e)
		return said
	})
	flushed := d.out.Flush()
	switch {
	case said != nil:
		return said
	case err != nil:
		return runfolder.Unsound(d.dir, err)
	case flushed != nil:
		return fmt.Errorf("standard output: %w", flushed)
	}
	d.tail = tail
	return nil
}

// lookAgain is the time between two looks at a log that is followed.
const lookAgain = 200 * time.Millisecond

func (d *dump) follow(ctx context.Context, err error) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			err = d.more(ctx)
		}
	}
	return err
}
