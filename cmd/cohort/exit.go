package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"cohort/engine/dispatch"
	"cohort/engine/refusal"
)

// The exit codes.
const (
	exitDone   = 0
	exitDefect = 1
	// 2 is the Go runtime's own: a crash, such as SIGABRT or out of memory.
	exitStopped = 3
	exitInDoubt = 4
	exitRefused = 10
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
		return exitDone
	}
	var (
		refused *refusal.Refused
		end     *refusal.Ended
		stopped *dispatch.Stopped
	)
	fmt.Fprintln(stderr, "cohort: "+refusal.OneLine(err.Error()))
	switch {
	case errors.As(err, &end):
		fmt.Fprintln(stderr, end.Next)
		return end.Code
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &stopped):
		return exitStopped
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "required flag"):
		return exitRefused // cobra's own complaints
	}
	fmt.Fprintln(stderr, "this is a defect in cohort, or something it did not expect; nothing is lost: the run's folder holds everything")
	return exitDefect
}
