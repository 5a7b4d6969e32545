package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cohort/bench"
	benchdispatch "cohort/bench/dispatch"
	"cohort/bench/intake"
	"cohort/bench/progress"
	"cohort/engine/dispatch"
)

// benchReport is what a measurement comes to.
type benchReport interface{ Print(io.Writer) error }

// benchOutput is how a report is shown: as a table, for programs, or drawn.
type benchOutput[R benchReport] struct {
	asJSON    bool
	from, svg string              // where a report is read and drawn to; empty: neither
	chart     func(R) bench.Chart // nil: it cannot be drawn
}

// flags adds the flags. What is drawn is nothing where there is no chart.
func (o *benchOutput[R]) flags(c *cobra.Command, drawn string) {
	f := c.Flags()
	f.BoolVar(&o.asJSON, "json", false, "for programs")
	if o.chart == nil {
		return
	}
	force := f.Bool("force", false, "with --picture: "+forceHelp)
	c.PreRunE = func(*cobra.Command, []string) error { // before a measurement of minutes
		if o.svg == "" {
			return nil
		}
		return claim(o.svg, *force, "")
	}
	f.StringVar(&o.svg, "picture", "", "draw "+drawn+" into this SVG `file`")
	f.StringVar(&o.from, "from", "", "measure nothing; print and draw what --json has written to this `file`")
}

// again shows a report that --json has written.
func (o *benchOutput[R]) again(c *cobra.Command) error {
	var report R
	text, err := os.ReadFile(o.from)
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		return refuse("%s is not what --json writes: %w", o.from, err)
	}
	return o.show(c, report)
}

func (o *benchOutput[R]) show(c *cobra.Command, report R) error {
	if o.svg != "" {
		if err := draw(o.svg, o.chart(report)); err != nil {
			return err
		}
	}
	if !o.asJSON {
		return report.Print(c.OutOrStdout())
	}
	out := json.NewEncoder(c.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// draw writes a picture.
func draw(path string, c bench.Chart) error {
	if err := writeTo(path, c.WriteSVG); err != nil {
		return refuse("the picture cannot be written: %w", err)
	}
	return nil
}

// benchSays is where a measurement tells how far it has come.
func benchSays(c *cobra.Command) func(format string, args ...any) {
	return func(format string, args ...any) { fmt.Fprintf(c.ErrOrStderr(), format+"\n", args...) }
}

// benchFailed says what the end of a measurement means. A part that has miscounted is a
// defect.
func benchFailed(ctx context.Context, err error) error {
	_, read := errors.AsType[*intake.Miscount](err)
	_, sent := errors.AsType[*benchdispatch.Miscount](err)
	_, lost := errors.AsType[*progress.Lost](err)
	switch {
	case ctx.Err() != nil:
		return &dispatch.Stopped{Why: "stopped while measuring"}
	case read, sent, lost:
		return err
	}
	return refuse("%w", err)
}
