package main

import (
	"bufio"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/find"
	"cohort/cmd/internal/memory"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

func findCommand() *cobra.Command {
	var q find.Query
	var runs, number string
	var asJSON bool
	c := &cobra.Command{
		Use:   "find DIR | --runs DIR",
		Short: "Show what one person was sent, and what became of it",
		Long: `Find answers a caller: did she get it, and what did it say? For the run in DIR, or for all runs in
the folder of --runs, it shows each record of the person: its place in the cohort, its outcome, the
text of the message, and its history. It does not disturb a run at work. The text is made again from
the cohort, and compared with the digest of what was sent.

Name the person by NHS number, also by one that was replaced, or name a message by its reference. A
number on the command line can be read by other users of this machine, and stays in the shell's
history. So write --nhs-number - and give the number on standard input.

Each look-up is recorded in the audit journal beside the register, before anything is shown: who, when,
the reason, and a pseudonym instead of the number. If it cannot be recorded, nothing is shown. The
page docs/operating.md explains what is shown. Of the reference of a request with many messages, find
shows only how many they are, and the command for the report that names them.

Exit codes: 0 when there is an answer, also that nobody was found; 10 when there is none.
`,
		Example: `  cohort find runs/demo-1a2b3c4d --nhs-number - --reason "call 4711: has no invitation"
  cohort find --runs runs --reference 1f0b7d1e-6c1c-8b6a-9f00-0a1b2c3d4e5f --reason "complaint 12"`,
		Args: func(c *cobra.Command, args []string) error {
			if err := commandline.Swallowed(c); err != nil {
				return err
			}
			// No argument is repeated in an error: it may be a number that went astray.
			folder := runs + strings.Join(args, "")
			astray := len(folder) > 8 && strings.Trim(folder, "0123456789 -") == "" && !runfolder.Exists(folder)
			one := (len(args) == 1) != (runs != "") && (number != "") != (q.Reference != "")
			if astray || len(args) > 1 || !one {
				return refusal.New("find_arguments")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			memory.Limit()
			if number != "" {
				if q.Number, err = numberFrom(number, c.InOrStdin()); err != nil {
					return err
				}
			}
			if runs != "" {
				q.Runs, err = find.In(runs)
			} else {
				q.Runs = make([]string, 1)
				q.Runs[0], _, err = runfolder.Find(args[0])
			}
			if folder := runs + strings.Join(args, ""); err != nil && person.HasNHSNumber(folder) && !runfolder.Exists(folder) {
				return refusal.New("find_arguments")
			}
			if err != nil {
				return err
			}
			q.Reference = strings.ToLower(strings.TrimSpace(q.Reference))
			answer, err := find.Find(c.Context(), q)
			if err != nil {
				return err
			}
			return commandline.Show(c, asJSON, answer)
		},
	}
	f := c.Flags()
	f.StringVar(&runs, "runs", "", "search all runs in this `folder`")
	f.StringVar(&number, "nhs-number", "", "the person's NHS `number`; - reads it from standard input")
	f.StringVar(&q.Reference, "reference", "", "the `reference` of the message")
	f.StringVar(&q.Reason, "reason", "", "why you look: a `text` for the audit journal, without personal data")
	f.BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// numberFrom reads an NHS number. Its errors do not repeat it.
func numberFrom(given string, in io.Reader) (person.NHSNumber, error) {
	if given == runfolder.StdinWord {
		given, _ = bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	}
	n, err := person.ParseNHSNumber(given)
	if err != nil {
		return 0, refusal.New("find_number_wrong", "cause", err)
	}
	return n, nil
}
