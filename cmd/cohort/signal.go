package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"cohort/cmd/internal/terminal"
	"cohort/engine/control"
	"cohort/engine/event"
	"cohort/engine/refusal"
)

// endings has the signals that end a run in good order, and their names for people. SIGABRT stays a
// crash, with the Go runtime's exit code 2.
var endings = map[os.Signal]string{
	syscall.SIGINT: "Ctrl-C (SIGINT)", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP, the terminal was closed", syscall.SIGQUIT: "SIGQUIT",
}

// takeSignals asks for the signals that end a run. It leaves SIGHUP alone when the process was
// started with SIGHUP ignored, as by nohup.
func takeSignals(to chan<- os.Signal) {
	ignored := signal.Ignored(syscall.SIGHUP) // ask before Notify, which changes it
	for s := range endings {
		if s != syscall.SIGHUP || !ignored {
			signal.Notify(to, s)
		}
	}
}

// interruptible returns a context that the first of these signals cancels, with the signal as the
// cause. The second signal ends the process at once. That is safe at any time: what was not
// recorded is in doubt, and the next start settles it.
func interruptible(says teller) (context.Context, func()) {
	last := &terminal.Parting{}
	ctx, cancel := context.WithCancelCause(context.WithValue(event.With(context.Background(), says.log), terminal.PartingKey{}, last))
	signals := make(chan os.Signal, 2)
	takeSignals(signals)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			var s os.Signal
			select {
			case <-done:
				return
			case s = <-signals:
			}
			switch {
			case first.IsZero():
				first = time.Now()
				cancel(&interruption{fmt.Sprintf("%s, %s, process %d", endings[s], control.WhoAmI(), os.Getpid())})
			case s == syscall.SIGHUP: // a terminal that closes may send several
			case time.Since(first) < oneTouch: // one key press can send two signals
			default:
				next := ""
				if line := last.Line.Load(); line != nil {
					next = *line
				}
				says.end(event.LeftAtOnce, refusal.ExitStopped, "left at once; what was under way is in doubt, and the next start settles it", "", next)
				os.Exit(refusal.ExitStopped)
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel(nil) }
}

// interruption is the cause of a cancelled context: it names the signal and the process.
type interruption struct{ by string }

func (i *interruption) Error() string { return i.by }

// Is makes an interruption equal to context.Canceled.
func (i *interruption) Is(target error) bool { return target == context.Canceled }

// A second signal within oneTouch counts as the first.
const oneTouch = 500 * time.Millisecond
