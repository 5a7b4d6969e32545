package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/shard"
)

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of a run's progress log",
		Long: `Verify checks the digests of the plan and, where it is there, the spool; every checksum of
the log, and the chain over its segments; that every record follows from those before it;
that the second copy of the revisions matches; and that the fates add up to the records, as
they also did whenever the run ended. It says what it checked.

What a process that was killed left half written at the end is no damage: it was never
acknowledged, and nobody acted upon it. It is told.

Exit codes: 0 the log is sound; 10 it is damaged, and the last line says where and what to do,
or it cannot be read, or there is no run.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, plan, err := openRun(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			out := c.OutOrStdout()
			fmt.Fprintf(out, "plan        %d batches, %d messages; its digests are right\n", plan.Batches(), plan.Messages)
			if err := verifySpool(out, dir, plan); err != nil {
				return err
			}
			survey, err := inspect.Check(dir, plan)
			if err != nil {
				return unsound(dir, err)
			}
			return verified(out, dir, survey)
		},
	}
}

// verifySpool checks that a run's spool is the one that its plan was made from.
func verifySpool(out io.Writer, dir string, plan *plan.Plan) error {
	_, digest, err := shard.ReadManifest(filepath.Join(dir, spoolFolder))
	switch {
	case errors.Is(err, shard.ErrNotSealed):
		fmt.Fprintln(out, "spool       it is not there: the log can be checked without it, and nothing can be sent")
	case err != nil:
		return damaged(err)
	case fmt.Sprintf("%x", digest) != plan.Spool:
		return damaged(fmt.Errorf("%s is not the spool that the plan was made from", filepath.Join(dir, spoolFolder)))
	default:
		fmt.Fprintln(out, "spool       its manifest is the one that the plan was made from")
	}
	return nil
}

// verified says what was checked of a log.
func verified(out io.Writer, dir string, s *inspect.Summary) error {
	fmt.Fprintf(out, "segments    %d, %d bytes: every checksum and the chain are right\n", len(s.Segments), s.Bytes)
	if s.Torn > 0 {
		fmt.Fprintf(out, "torn        %d bytes behind the last record of a process that did not end by itself; they were never acknowledged\n", s.Torn)
	}
	fmt.Fprintf(out, "records     %d, each follows from those before it\n", s.Records)
	printKinds(out, s)
	fmt.Fprintf(out, "attempts    %d: %d settled by their answers, %d left in doubt by them, %d never answered\n", s.Requests, s.Settled, s.Doubts, s.Requests-min(s.Requests, s.Settled+s.Doubts))
	fmt.Fprintf(out, "forms       %d of %d batches\n", s.Forms, s.Batches)
	fmt.Fprintf(out, "revisions   %d, of which the second copy has %d\n", s.Revisions, s.Copied)
	if s.Copied < s.Revisions {
		fmt.Fprintln(out, "            the next start makes up for the others")
	}
	printLoss(out, s.Ledger)
	account := s.Ledger.Account()
	for _, fate := range person.Fates {
		fmt.Fprintf(out, "  %-12s %10d\n", fate, account.Fates[fate])
	}
	words := ""
	if s.Closed {
		words = ", as the run said when it ended"
	}
	fmt.Fprintf(out, "account     the fates add up to %d%s\n", account.Records, words)
	fmt.Fprintf(out, "the log of %s is sound\n", dir)
	return nil
}

func printKinds(out io.Writer, s *inspect.Summary) {
	for _, k := range s.Kinds {
		fmt.Fprintf(out, "  %-12s %10d %14d bytes\n", k.Record, k.Count, k.Bytes)
	}
}

// printLoss says of a log that took a lost one's place that it did.
func printLoss(out io.Writer, l *ledger.Ledger) {
	if l.Facts().Recovered.IsZero() {
		return
	}
	fmt.Fprintf(out, "recovered   at %s in the place of a log that was lost\n", l.Facts().Recovered.UTC().Format(time.DateTime+" MST"))
	if l.Facts().Hold != "" {
		fmt.Fprintf(out, "            what was lost is held in doubt and not replayed: %s\n", holdWords(l.Facts().Hold))
	}
}

// holdWords says why nothing is replayed.
func holdWords(hold string) string {
	switch hold {
	case ledger.HoldRevisionsLost:
		return "the second copy of the revisions was lost too, so that people might be sent to in a batch and in the one that replaced it"
	case ledger.HoldForgotten:
		return "the plan is so old that the service may no longer know the references"
	}
	return hold
}
