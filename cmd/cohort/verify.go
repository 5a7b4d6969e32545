package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/reports"
	"cohort/cmd/internal/run"
	"cohort/engine/inspect"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of a run's progress log, and measure it",
		Long: `Verify checks the digests of the plan and, if it is there, of the spool's manifest; every checksum
of the log, and the chain over its segments; that every record follows from those before it; that the second
copy of the revisions matches; and that the fates add up to the records. It says what it checked,
how large the log is, and which records it holds.

A process that was killed may leave a record half written at the end. That is no damage: nobody
has acted on it.

Exit codes: 0 the log is sound; 10 it is damaged, and the last line says where and what to do,
or it cannot be read, or there is no run. It is 10, too, if the log is sound and the final report
is missing or changed.`,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, plan, err := run.OpenRun(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			if err := plan.Verify(); err != nil {
				return runfolder.Damaged(err)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "plan        %d batches, %d messages; its digests are right\n", plan.Batches(), plan.Messages)
			if err := verifySpool(out, dir, plan); err != nil {
				return err
			}
			survey, err := inspect.Check(dir, plan)
			if err != nil {
				return runfolder.Unsound(dir, err)
			}
			return verified(out, dir, survey)
		},
	}
}

// verifySpool checks that a run's spool is the one that its plan was made from.
func verifySpool(out io.Writer, dir string, plan *plan.Plan) error {
	_, digest, err := shard.ReadManifest(filepath.Join(dir, runfolder.SpoolFolder))
	switch {
	case errors.Is(err, shard.ErrNotSealed):
		fmt.Fprintln(out, "spool       missing: the log can be checked without it, and nothing can be sent")
	case err != nil:
		return runfolder.Damaged(err)
	case fmt.Sprintf("%x", digest) != plan.Spool:
		return runfolder.Damaged(fmt.Errorf("%s is not the spool that the plan was made from", filepath.Join(dir, runfolder.SpoolFolder)))
	default:
		fmt.Fprintln(out, "spool       its manifest is the one that the plan was made from")
	}
	return nil
}

// verified prints what was checked in a log, and its measures.
func verified(out io.Writer, dir string, s *inspect.Summary) error {
	fmt.Fprintf(out, "segments    %d, %d bytes: every checksum and the chain are right\n", len(s.Segments), s.Bytes)
	if s.Torn > 0 {
		fmt.Fprintf(out, "torn        %d bytes behind the last record of a process that did not end by itself; they were never acknowledged\n", s.Torn)
	}
	account := s.Ledger.Account()
	if accepted := account.Fates[person.Accepted]; accepted > 0 {
		fmt.Fprintf(out, "a message   %.1f bytes, of %d that were accepted\n", float64(s.Bytes)/float64(accepted), accepted)
	}
	fmt.Fprintf(out, "records     %d, each follows from those before it\n", s.Records)
	for _, k := range s.Kinds {
		fmt.Fprintf(out, "  %-12s %10d %14d bytes\n", k.Record, k.Count, k.Bytes)
	}
	if s.Records > 0 {
		fmt.Fprintf(out, "first       %s\nlast        %s\n", s.First.UTC().Format(time.DateTime+" MST"), s.Last.UTC().Format(time.DateTime+" MST"))
	}
	fmt.Fprintf(out, "starts      %d\n", s.Ledger.Facts().Starts)
	fmt.Fprintf(out, "attempts    %d: %d settled by their answers, %d left in doubt by them, %d never answered\n", s.Requests, s.Settled, s.Doubts, s.Requests-min(s.Requests, s.Settled+s.Doubts))
	live, held, foreign := s.Ledger.Unsettled()
	fmt.Fprintf(out, "in doubt    %d messages; replays can settle %d\n", account.Fates[person.InDoubt], s.Ledger.Settleable())
	fmt.Fprintf(out, "forms       %d of %d batches: %d to be sent, %d held, %d foreign\n", s.Forms, s.Batches, live, held, foreign)
	fmt.Fprintf(out, "revisions   %d; the second copy has %d\n", s.Revisions, s.Copied)
	if s.Copied < s.Revisions {
		fmt.Fprintln(out, "            the next start makes up for the others")
	}
	run.PrintBlocked(out, "blocked     ", s.Ledger.ListedLate(), s.Ledger.CountContradicted())
	var changed error
	if digest := s.Ledger.Facts().Reported; digest != "" {
		words := runfolder.ReportFile + " has the digest that the run recorded at its end"
		if changed = reports.Compare(filepath.Join(dir, runfolder.ReportFile), digest); changed != nil {
			words = "missing or changed"
		}
		fmt.Fprintln(out, "report      "+words)
	}
	run.PrintLoss(out, s.Ledger)
	for _, fate := range person.Fates {
		fmt.Fprintf(out, "  %-12s %10d\n", fate, account.Fates[fate])
	}
	words := ""
	if s.Closed {
		words = ", as the run said when it ended"
	}
	fmt.Fprintf(out, "account     the fates add up to %d%s\n", account.Records, words)
	if changed != nil {
		return refusal.New("final_report_changed", "cause", changed, "command", refusal.Command("resume", dir))
	}
	fmt.Fprintf(out, "the log of %s is sound\n", dir)
	return nil
}
