package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/run"
	"cohort/engine/inspect"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

func statCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stat DIR",
		Short: "Measure a run's progress log",
		Long: `Stat says how large the log is, of what it is made, and from when to when it goes. It reads
and checks the whole log to know. How many records were written and synced together is not
in the log.

Exit codes: 0 done; 10 the log is damaged, it cannot be read, or there is no run.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, plan, err := run.OpenRun(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			survey, err := inspect.Check(dir, plan)
			if err != nil {
				return runfolder.Unsound(dir, err)
			}
			printStat(c.OutOrStdout(), survey)
			return nil
		},
	}
}

func printStat(out io.Writer, s *inspect.Summary) {
	fmt.Fprintf(out, "segments    %d\nbytes       %d\n", len(s.Segments), s.Bytes)
	if s.Torn > 0 {
		fmt.Fprintf(out, "torn        %d bytes\n", s.Torn)
	}
	account := s.Ledger.Account()
	if accepted := account.Fates[person.Accepted]; accepted > 0 {
		fmt.Fprintf(out, "a message   %.1f bytes, of %d that were accepted\n", float64(s.Bytes)/float64(accepted), accepted)
	}
	fmt.Fprintf(out, "records     %d\n", s.Records)
	printKinds(out, s)
	if s.Records > 0 {
		fmt.Fprintf(out, "first       %s\nlast        %s\n", s.First.UTC().Format(time.DateTime+" MST"), s.Last.UTC().Format(time.DateTime+" MST"))
	}
	live, held, foreign := s.Ledger.Unsettled()
	fmt.Fprintf(out, "starts      %d\nattempts    %d\n", s.Ledger.Facts().Starts, s.Requests)
	fmt.Fprintf(out, "in doubt    %d messages, of which replays can settle %d\n", account.Fates[person.InDoubt], s.Ledger.Settleable())
	fmt.Fprintf(out, "forms       %d: %d to be sent, %d held, %d foreign\n", s.Forms, live, held, foreign)
	fmt.Fprintf(out, "revisions   %d\ntoo late    %d people were listed when their message had been attempted\n", s.Revisions, s.Ledger.ListedLate())
	run.PrintLoss(out, s.Ledger)
}
