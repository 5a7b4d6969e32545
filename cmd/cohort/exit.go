package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"cohort/docs/runbooks"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/refusal"
)

// showCodes are the exit codes of commands that only show a run.
const showCodes = `Exit codes: 0 when it could be shown, whatever the state of the run; 10 when it could not.
`

const exitCodes = `  0  done: every record has its final fate
  1  a defect in cohort
  2  cohort crashed (SIGABRT, out of memory); look at the run with cohort status, it
     can be resumed
  3  stopped, and the same run can go on: a signal, the window's end, a halt by the
     service, stop_if, give_up_after, a full disk
  4  ended with messages in doubt that no replay can settle (of the NHS App: cohort
     reconcile may)
 10  refused before the first attempt: flags, campaign, cohort, credentials, token,
     no permission, closed port, or locked by another process
On 3 and 4 the last line of standard error is the command that goes on. With --log-format json it
has that command under the key command.
`

// teller says on standard error how a command ended.
type teller struct {
	stderr io.Writer
	log    *slog.Logger // for programs; nil: people read
}

// end is the last word. code names the reason, and next is the command that goes on; both may be empty.
func (t teller) end(name slog.Attr, exit int, sentence, code, next string) {
	if t.log != nil {
		t.log.Error(sentence, name, "exit", exit, "code", code, "command", next, "runbook", runbooks.For(code))
		return
	}
	if code != "" {
		sentence += " [" + code + "]"
	}
	fmt.Fprintln(t.stderr, "cohort: "+sentence)
	fmt.Fprint(t.stderr, runbooks.Line(code))
	if next != "" {
		fmt.Fprintln(t.stderr, next)
	}
}

// conclude prints an error, if there is one, and chooses the exit code. It is the one
// place that does.
func conclude(err error, says teller) int {
	if err == nil {
		if says.log != nil {
			says.log.Info("done", event.Finished, "exit", refusal.ExitDone)
		}
		return refusal.ExitDone
	}
	exit, code, last := outcome(err)
	name := map[int]slog.Attr{
		refusal.ExitStopped: event.Stopped, refusal.ExitInDoubt: event.EndedInDoubt, refusal.ExitRefused: event.Refused, refusal.ExitDefect: event.Defect,
	}[exit]
	if stopped := (*dispatch.Stopped)(nil); errors.As(err, &stopped) && stopped.Halt {
		name = event.Halted
	}
	says.end(name, exit, refusal.OneLine(err.Error()), code, last)
	return exit
}

// outcome is the exit code of an error, the code that names its reason, and the last line to print.
func outcome(err error) (exit int, code, last string) {
	var (
		ended   *refusal.Ended
		stopped *dispatch.Stopped
	)
	switch {
	case errors.As(err, &ended):
		_, code, _ = outcome(ended.Err)
		return ended.Code, code, ended.Next
	case refusal.Code(err) != "":
		return refusal.ExitRefused, refusal.Code(err), ""
	case errors.As(err, &stopped):
		return refusal.ExitStopped, stopped.Code, ""
	}
	return refusal.ExitDefect, "", "this is a defect in cohort, or something it did not expect; nothing is lost: the run's folder holds everything"
}
