// Command cohort sends a cohort file to NHS Notify and accounts for every record.
package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/rehearsal"
	"cohort/engine/build"
	"cohort/engine/event"
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

func execute(args []string, stdout, stderr io.Writer) int {
	says := teller{stderr: stderr}
	if commandline.WantsJSON(args) {
		says.log = event.JSON(stderr)
	}
	ctx, stop := interruptible(says)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return conclude(err, says)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cohort",
		Short: "Send a cohort of people to NHS Notify or the NHS App, and account for every record",
		Long: `cohort reads a cohort file once, checks every record, and sends the people in it to
NHS Notify in paced batches, or to the NHS App. Every step is in a progress log, so that a run that was
stopped or killed goes on where it was: nobody is sent to twice, and nobody is lost.

Exit codes of the commands that send:
` + exitCodes,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       build.Version(),
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	commandline.Choice(root)
	root.SetFlagErrorFunc(commandline.FlagRefused)
	root.AddCommand(rehearsal.Init(), authCommand(), checkCommand(), reachCommandOf(), planCommand(), sendCommand(),
		resumeCommand(), reconcileCommand(), statusCommand(), runsCommand(), pauseCommand(), continueCommand(),
		paceCommand(), stopCommand(), reportCommand(), findCommand(), callbacksCommand(), logCommand(),
		recoverCommand(), decideCommand(), followupCommand(), rehearsal.Simulate(), rehearsal.Generate(),
		rehearsal.Bench(rootCommand), docsCommand(), runbookCommand(), oldRetry())
	return root
}
