package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/docs/runbooks"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func runbookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "runbook [NAME [DIR]]",
		Short: "Show what to do about a symptom, or list all runbooks",
		Long: `Runbook prints one page: what you see, what it means, what to do, and how you know that it is
over. With DIR, the commands on the page name that run's folder and campaign file, ready to copy.
Without a name it lists all runbooks.
`,
		Example: `  cohort runbook
  cohort runbook token-failing
  cohort runbook in-doubt runs/winter-2026-11-1a2b3c4d`,
		Args: commandline.Arguments(cobra.MaximumNArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				listRunbooks(c.OutOrStdout())
				return nil
			}
			text, ok := runbooks.Text(args[0])
			if !ok {
				return refusal.New("no_such_runbook", "name", args[0])
			}
			if len(args) == 2 {
				dir, call, err := runfolder.Find(args[1])
				if err != nil { // it may be lost, and the page says what to do then
					dir, call.Campaign = args[1], "campaign.yaml"
				}
				text = runbooks.In(text, refusal.ShellWord(dir), refusal.ShellWord(call.Campaign))
			}
			_, err := io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
}

func listRunbooks(out io.Writer) {
	for _, name := range runbooks.Names() {
		fmt.Fprintf(out, "%-22s %s\n", name, runbooks.Title(name))
	}
}
