package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

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
