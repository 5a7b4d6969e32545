package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

// explain asks on a terminal why a lever was pulled, when it holds already: whoever has to
// stop a run does not have to find the words first. The reason is noted behind the lever.
// That it cannot be changes nothing about the lever, and is only said.
func (l *pulling) explain(c *cobra.Command) {
	in, ok := c.InOrStdin().(*os.File)
	if l.asked.Reason != "" || !ok || !term.IsTerminal(int(in.Fd())) {
		return
	}
	reason := askReason(c.Context(), in, c.ErrOrStderr())
	if reason == "" {
		return
	}
	why := pulling{folder: l.folder, asked: control.Request{Verb: record.VerbReason, Of: l.asked.Verb, By: l.asked.By, Reason: reason}}
	err := control.CheckReason(reason)
	if err == nil {
		err = why.patiently(c.Context())
	}
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "the reason could not be noted: %s; what was asked holds all the same\n", refusal.OneLine(err.Error()))
	}
}

// askReason asks for a reason. Ctrl-C, the end of the input and an empty line are none.
func askReason(ctx context.Context, in io.Reader, out io.Writer) string {
	fmt.Fprint(out, "reason, for those who read the log later (Enter for none): ")
	answer := make(chan string, 1)
	go func() { // cannot be called back from its reading, and ends with the process
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

// patiently asks again while the process at work is ending, as it does behind a stop: it
// does not listen any more, and the log is not free yet.
func (l *pulling) patiently(ctx context.Context) error {
	each := time.NewTicker(500 * time.Millisecond)
	defer each.Stop()
	for tries := 60; ; tries-- {
		err := l.ask(ctx)
		held := (*disk.HeldError)(nil)
		if tries == 0 || !errors.Is(err, control.ErrEnding) && !errors.As(err, &held) {
			return err
		}
		select {
		case <-each.C:
		case <-ctx.Done():
			return err
		}
	}
}
