package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/ledger"
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
		"Pause keeps the process at work: requests under way finish, and nothing new is sent.\n", "paused; to go on: ", "continue")
}

func continueCommand() *cobra.Command {
	return operationCommand("continue", record.VerbContinue, "Let a paused run send again", "Continue ends a pause.\n", "continues", "")
}

func stopCommand() *cobra.Command {
	return operationCommand("stop", record.VerbStop, "End the process that is at work on a run",
		"Stop lets requests under way finish and ends the process with exit 3, as Ctrl-C does.\n", "stopping; to go on: ", "resume")
}

// operationCommand is a command that asks for an operation without arguments of its own.
func operationCommand(name string, verb record.Verb, short, long, done, next string) *cobra.Command {
	var o operation
	c := &cobra.Command{
		Use: name + " DIR", Short: short, Long: long + operationHelp,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o.asked.Verb = verb
			if err := o.find(args[0]); err != nil {
				return err
			}
			if err := o.deliver(c.Context()); err != nil {
				return err
			}
			if next != "" {
				done += refusal.Command(next, o.folder)
			}
			fmt.Fprintln(c.OutOrStdout(), done)
			o.askReason(c)
			return nil
		},
	}
	o.flags(c)
	return c
}

// operation holds an operator's request: pause, continue, pace or stop.
type operation struct {
	asked  control.Request
	folder string
	ask    bool              // for the reason
	change ledger.PaceChange // of the rate
	noted  bool              // no process is at work on the run
}

func (o *operation) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.asked.Reason, "reason", "", "why, for those who read the log later")
	c.Flags().BoolVar(&o.ask, "ask", false, "ask for the reason on standard input, once the command holds")
}

// find finds the run, and checks what can be checked before anything is asked of it.
func (o *operation) find(dir string) (err error) {
	o.asked.By = control.WhoAmI()
	if o.folder, _, err = runfolder.Find(dir); err != nil {
		return err
	}
	return control.CheckReason(o.asked.Reason)
}

// deliver asks the process at work on the run. When there is none, it writes to the run's log,
// for the next start.
func (o *operation) deliver(ctx context.Context) (err error) {
	o.change, err = control.Ask(ctx, o.folder, o.asked)
	if errors.Is(err, control.ErrNobody) {
		return o.note()
	}
	if err != nil {
		return refusal.New("command_not_taken", "cause", err)
	}
	return nil
}

// note writes the operation to the log. No process is at work on the run.
func (o *operation) note() error {
	held, err := disk.Acquire(filepath.Join(o.folder, runfolder.LockFile), "pause, continue or pace")
	if busy := (*disk.HeldError)(nil); errors.As(err, &busy) {
		return refusal.New("run_not_listening", "cause", busy)
	}
	if err != nil {
		return runfolder.RoomOr(err, refusal.New("folder_unlockable", "cause", err), o.folder)
	}
	defer func() { _ = held.Release() }()
	if o.asked.Verb == record.VerbStop {
		return refusal.New("nothing_to_stop", "folder", o.folder)
	}
	plan, err := runfolder.Plan(o.folder)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	folded, err := ledger.Read(o.folder, plan)
	if err != nil {
		return runfolder.Unsound(o.folder, err)
	}
	if folded.Facts().Superseded != "" {
		return refusal.New("run_superseded", "run", folded.Facts().Superseded)
	}
	if live, _, _ := folded.Unsettled(); live == 0 {
		return refusal.New("nothing_left_to_send")
	}
	if o.asked.Verb == record.VerbPace {
		pace, err := paceOf(o.folder)
		if err != nil {
			return err
		}
		if o.change, err = folded.Repace(pace, o.asked.Pace, time.Now()); err != nil {
			return refusal.New("pace_refused", "cause", err)
		}
		o.asked.Pace = o.change.Lever
	}
	o.noted = true
	return runfolder.WithLog(o.folder, plan, func(log *ledger.Log) error {
		err := log.Command(time.Now(), o.asked.Lever())
		if err != nil {
			err = runfolder.RoomOr(err, refusal.New("log_unwritable", "cause", err), o.folder)
		}
		return err
	})
}

// askReason asks for the reason, with --ask, when the operation holds already: an operator who
// must stop a run does not have to find the words first. The log gets the reason as a record of
// its own. When that fails, the operation holds all the same.
func (o *operation) askReason(c *cobra.Command) {
	if o.asked.Reason != "" || !o.ask {
		return
	}
	reason := readReason(c.Context(), c.InOrStdin(), c.ErrOrStderr())
	if reason == "" {
		return
	}
	why := operation{folder: o.folder, asked: control.Request{Verb: record.VerbReason, Of: o.asked.Verb, By: o.asked.By, Reason: reason}}
	err := control.CheckReason(reason)
	if err == nil {
		err = why.deliverLater(c.Context())
	}
	if err != nil {
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

// deliverLater tries again while the process at work is ending, as it does after a stop: it takes
// no commands any more, and it still holds the log.
func (o *operation) deliverLater(ctx context.Context) error {
	each := time.NewTicker(500 * time.Millisecond)
	defer each.Stop()
	for tries := 60; ; tries-- {
		err := o.deliver(ctx)
		if tries == 0 || !errors.Is(err, control.ErrEnding) && !errors.As(err, new(*disk.HeldError)) {
			return err
		}
		select {
		case <-each.C:
		case <-ctx.Done():
			return err
		}
	}
}
