package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"cohort/engine/dispatch"
	"cohort/engine/refusal"
)

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
	var (
		refused *refusal.Refused
		end     *refusal.Ended
		stopped *dispatch.Stopped
	)
	code := ""
	if errors.As(err, &refused) {
		code = " [" + refused.Code + "]"
	}
	fmt.Fprintln(stderr, "cohort: "+refusal.OneLine(err.Error())+code)
	switch {
	case errors.As(err, &end):
		fmt.Fprintln(stderr, end.Next)
		return end.Code
	case code != "":
		return refusal.ExitRefused
	case errors.As(err, &stopped):
		return refusal.ExitStopped
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "required flag"):
		return refusal.ExitRefused // cobra's own complaints
	}
	fmt.Fprintln(stderr, "this is a defect in cohort, or something it did not expect; nothing is lost: the run's folder holds everything")
	return refusal.ExitDefect
}
