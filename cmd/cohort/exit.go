package main

import (
	"errors"
	"fmt"
	"io"

	"cohort/docs/runbooks"
	"cohort/engine/dispatch"
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
On 3 and 4 the last line of standard error is the command that goes on.
`

// conclude prints an error, if there is one, and chooses the exit code. It is the one
// place that does.
func conclude(err error, stderr io.Writer) int {
	if err == nil {
		return refusal.ExitDone
	}
	exit, code, last := outcome(err)
	shown := ""
	if code != "" {
		shown = " [" + code + "]"
	}
	fmt.Fprintln(stderr, "cohort: "+refusal.OneLine(err.Error())+shown)
	fmt.Fprint(stderr, runbooks.Line(code))
	if last != "" {
		fmt.Fprintln(stderr, last)
	}
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
