package progress

import (
	"fmt"
	"io"
	"strconv"

	"cohort/bench"
)

// column is one column of a table: its heading, and what it says of a row.
type column struct {
	heading string
	cell    func(Row) string
}

// number makes a cell, empty when there is nothing to say.
func number(format string, of func(Row) float64) func(Row) string {
	return func(r Row) string {
		if v := of(r); v != 0 {
			return fmt.Sprintf(format, v)
		}
		return ""
	}
}

func words(r Row) string {
	if r.Absent != "" {
		return r.Words + " (" + r.Absent + ")"
	}
	return r.Words
}

func group(r Row) string {
	if r.Group == 0 {
		return ""
	}
	return strconv.Itoa(r.Group)
}

var (
	batch     = column{" batch", group}
	perSecond = column{" messages/s", number("%.0f", func(r Row) float64 { return r.PerSecond })}
	perByte   = column{" bytes/message", number("%.1f", func(r Row) float64 { return r.Bytes })}
	messages  = column{" messages", number("%.0f", func(r Row) float64 { return r.Messages })}
)

// tables are the columns of the table of each kind.
var tables = map[kind][]column{
	writing: {
		{"made durable", words}, batch,
		{" waiting", number("%.0f", func(r Row) float64 { return float64(r.Waiting) })},
		perSecond, perByte,
		{" fsyncs/s", number("%.0f", func(r Row) float64 { return r.Syncs })},
		{" CPU µs/message", number("%.3f", func(r Row) float64 {
			if r.Messages == 0 || r.Group == 0 {
				return 0
			}
			return r.CPU / r.Messages * 1e6
		})},
		{" to a plain file", number("%.2f", func(r Row) float64 { return r.ToFloor })},
		{" to cohort", number("%.3f", func(r Row) float64 { return r.ToLog })},
		{" per plain fsync", number("%.1f", func(r Row) float64 { return r.PerSync })},
		{" to design", number("%.2f", func(r Row) float64 { return r.Design })},
	},
	replaying: {
		{"read back", words}, batch, messages,
		{" s", number("%.2f", func(r Row) float64 { return r.Seconds })},
		{" CPU s", number("%.2f", func(r Row) float64 { return r.CPU })},
		{" peak MiB", number("%.0f", func(r Row) float64 { return float64(r.Peak) / (1 << 20) })},
		perSecond, perByte,
		{" to cohort", number("%.3f", func(r Row) float64 { return r.ToLog })},
	},
	sending: {
		{"a whole send to", words}, batch, messages,
		{" pairs", number("%.0f", func(r Row) float64 { return float64(r.Pairs) })},
		perSecond,
		{" without fsync", number("%.0f", func(r Row) float64 { return r.Without })},
		{" slower by %", func(r Row) string { return r.slower(1, 1) }},
		{" half of the pairs", func(r Row) string { return r.slower(0, 2) }},
		{" at best", number("%.1f", func(r Row) float64 { return 100 * r.Fastest })},
		{" CPU more %", number("%.1f", func(r Row) float64 { return 100 * r.CPUMore })},
	},
}

// slower puts one of the quartiles, or two of them, in percent.
func (r Row) slower(from, to int) string {
	if len(r.Slower) < 3 {
		return ""
	}
	if from == to {
		return fmt.Sprintf("%.1f", 100*r.Slower[from])
	}
	return fmt.Sprintf("%.1f to %.1f", 100*r.Slower[from], 100*r.Slower[to])
}

// Print writes the report as tables.
func (r Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d cores (%s), %s, %s; each figure is the median of %d, parts that write do so for %g s\n",
		r.Machine.Cores, r.Machine.Processor, r.Machine.System, r.Machine.Go, r.Runs, r.Span)
	for _, kind := range []kind{writing, replaying, sending} {
		var headings []string
		for _, c := range tables[kind] {
			headings = append(headings, c.heading)
		}
		var lines [][]string
		for _, row := range r.Rows {
			if row.kind != kind {
				continue
			}
			var line []string
			for _, c := range tables[kind] {
				line = append(line, c.cell(row))
			}
			lines = append(lines, line)
		}
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintln(w)
		if err := bench.WriteTable(w, headings, lines); err != nil {
			return err
		}
	}
	return nil
}
