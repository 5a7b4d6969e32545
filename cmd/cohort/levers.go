package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/lever"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

const operationHelp = `The run's log records it with the time, your user name and the reason. It holds from one start
to the next. When no process is at work on the run, it holds from the next start on.

Exit codes: 0 it holds; 10 it does not, and why.
`

func pauseCommand() *cobra.Command {
	return operationCommand("pause", record.VerbPause, "Send nothing more until the run is told to continue",
		"Pause keeps the process at work: requests under way finish, and nothing new is sent.\n")
}

func continueCommand() *cobra.Command {
	return operationCommand("continue", record.VerbContinue, "Let a paused run send again", "Continue ends a pause.\n")
}

func stopCommand() *cobra.Command {
	return operationCommand("stop", record.VerbStop, "End the process that is at work on a run",
		"Stop lets requests under way finish and ends the process with exit 3, as Ctrl-C does.\n")
}

// operationCommand is a command that asks for an operation without arguments of its own.
func operationCommand(name string, verb record.Verb, short, long string) *cobra.Command {
	var o operation
	c := &cobra.Command{
		Use: name + " DIR", Short: short, Long: long + operationHelp,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			order, err := o.order(args[0], verb)
			if err != nil {
				return err
			}
			return o.deliver(c, order)
		},
	}
	o.flags(c)
	return c
}

// operation holds the flags of pause, continue, pace and stop.
type operation struct {
	reason string
	ask    bool // for the reason
}

func (o *operation) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.reason, "reason", "", "why, for those who read the log later")
	c.Flags().BoolVar(&o.ask, "ask", false, "ask for the reason on standard input, once the command holds")
}

// order finds the run.
func (o *operation) order(dir string, verb record.Verb) (*lever.Order, error) {
	folder, _, err := runfolder.Find(dir)
	return lever.New(folder, verb, o.reason), err
}

func (o *operation) deliver(c *cobra.Command, order *lever.Order) error {
	if err := order.Deliver(c.Context()); err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), order.Words())
	if o.reason == "" && o.ask {
		askReason(c, order)
	}
	return nil
}

// askReason asks for the reason, with --ask, when the operation holds already: an operator who
// must stop a run does not have to find the words first. The log gets the reason as a record of
// its own. When that fails, the operation holds all the same.
func askReason(c *cobra.Command, of *lever.Order) {
	reason := readReason(c.Context(), c.InOrStdin(), c.ErrOrStderr())
	if reason == "" {
		return
	}
	why := lever.New(of.Folder, record.VerbReason, reason)
	why.Of = of.Verb
	if err := why.DeliverLater(c.Context()); err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "the reason could not be recorded: %s; the command holds all the same\n", refusal.OneLine(err.Error()))
	}
}

// readReason asks for a reason and reads a line. Ctrl-C, the end of the input and an empty line
// are no reason.
func readReason(ctx context.Context, in io.Reader, out io.Writer) string {
	fmt.Fprint(out, "reason, for those who read the log later (Enter for none): ")
	answer := make(chan string, 1)
	go func() { // a read cannot be cancelled; it ends with the process
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			line = ""
		}
		answer <- line
	}()
	line := ""
	select {
	case line = <-answer:
	case <-ctx.Done():
	}
	if line == "" {
		fmt.Fprintln(out) // nobody has pressed Enter
	}
	return strings.TrimSpace(line)
}
