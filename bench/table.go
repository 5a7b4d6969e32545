package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// bencher is one measurement.
type bencher struct {
	name        string
	tables      func(context.Context, *bencher) ([]table, error)
	records     int
	runs        int
	span        time.Duration
	latency     time.Duration
	wholeSingle bool     // one message a request: the whole cohort
	flags       []string // more of a send
	binary      string   // the program that is measured
	version     string   // what it says of itself
	parent      string   // where folder is made
	folder      string   // holds every file that the measurement makes
	asJSON      bool
	out         io.Writer
	started     time.Time
	attempts    int            // folders of sends so far
	atEnd       []func() error // removes what was made outside the folder
}

// sample holds the figures of one process in one round, by the keys below.
type sample map[string]float64

// The keys of a sample.
const (
	kCores    = "cores"
	kPacked   = "per_second_from_gzip" // as kRate, of a packed file
	kRead     = "log_per_second"       // messages a second, when the log is read back
	kRate     = "per_second"           // records or messages a second, from the start of the process to its end
	kWire     = "wire_per_second"      // messages a second, from the first request to the last
	kSeconds  = "seconds"              // from the start of the process to its end
	kCPU      = "cpu_seconds"          // of all cores, user and system
	kPeak     = "peak_bytes"           // the most resident memory
	kMillion  = "cpu_seconds_per_million"
	kFloor    = "floor_percent"          // CPU of the floor, of the stage's
	kFirst    = "first_request_seconds"  // from the start of the process to its first request
	kBytes    = "log_bytes_per_message"  // of the progress log
	kPlain    = "fdatasyncs_per_second"  // of 64 bytes on the same disk, right before
	kPerPlain = "messages_per_fdatasync" // kWire to kPlain
	kAchieved = "achieved_per_second"    // messages, without the first tenth of the requests
	kWorst    = "worst_second"           // the most messages in any sliding second
	kLimit    = "worst_to_limit"         // kWorst to the rate and one request
	kShare    = "achieved_percent"       // of the rate that was asked for
	kScrapes  = "scrapes"                // of its metrics that worked
	kBusy     = "core_percent"           // CPU of the whole process, of one core
)

// work does what a cell measures, once.
type work func(context.Context) (sample, error)

// cell is one line of a table.
type cell struct {
	name string
	run  work
}

// column is one figure of every cell, or its ratio to the figure of another cell.
type column struct {
	heading string
	key     string
	per     string  // the name of the other cell; empty: none
	format  string  // for fmt
	scale   float64 // what the figure is multiplied by; 0: 1
}

// table is cells that are compared with each other.
type table struct {
	title   string
	columns []column
	cells   []cell
}

// round is the samples of each table, by the names of cells.
type round []map[string]sample

// figure is the median of a column's figure for one cell; false when no round has it.
func (c column) figure(rounds []round, table int, cell string) (float64, bool) {
	var values []float64
	for _, r := range rounds {
		value, ok := r[table][cell][c.key]
		if ok && c.per != "" {
			peer := r[table][c.per][c.key]
			if ok = peer > 0; ok {
				value /= peer
			}
		}
		if ok {
			values = append(values, value)
		}
	}
	m := median(values)
	if c.scale != 0 {
		m *= c.scale
	}
	return m, len(values) > 0
}

// print writes the tables, or JSON.
func (b *bencher) print(tables []table, rounds []round) error {
	machine := thisMachine()
	if b.asJSON {
		return b.printJSON(machine, tables, rounds)
	}
	fmt.Fprintf(b.out, "bench %s, %d rounds\n%s\n%s\n", b.name, b.runs, machine, b.version)
	for i, t := range tables {
		headings := []string{""}
		for _, c := range t.columns {
			headings = append(headings, c.heading)
		}
		var lines [][]string
		for _, cell := range t.cells {
			line := []string{cell.name}
			for _, c := range t.columns {
				text := ""
				if v, ok := c.figure(rounds, i, cell.name); ok {
					text = fmt.Sprintf(c.format, v)
				}
				line = append(line, text)
			}
			lines = append(lines, line)
		}
		if _, err := fmt.Fprintf(b.out, "\n%s\n\n", t.title); err != nil {
			return err
		}
		if err := writeTable(b.out, headings, lines); err != nil {
			return err
		}
	}
	return nil
}

// printJSON writes every median, and every ratio under "KEY to CELL".
func (b *bencher) printJSON(machine string, tables []table, rounds []round) error {
	type row struct {
		Name    string             `json:"name"`
		Figures map[string]float64 `json:"figures"`
	}
	type made struct {
		Title string `json:"title"`
		Rows  []row  `json:"rows"`
	}
	report := struct {
		Machine string `json:"machine"`
		Version string `json:"version"`
		Rounds  int    `json:"rounds"`
		Tables  []made `json:"tables"`
	}{machine, b.version, b.runs, nil}
	for i, t := range tables {
		m := made{Title: t.title}
		for _, cell := range t.cells {
			r := row{cell.name, map[string]float64{}}
			for _, c := range t.columns {
				key := c.key
				if c.per != "" {
					key += " to " + c.per
				}
				c.scale = 0
				if v, ok := c.figure(rounds, i, cell.name); ok {
					r.Figures[key] = v
				}
			}
			m.Rows = append(m.Rows, r)
		}
		report.Tables = append(report.Tables, m)
	}
	out := json.NewEncoder(b.out)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// writeTable writes a Markdown table that is aligned for eyes. The first column is aligned
// to the left, all others to the right.
func writeTable(w io.Writer, headings []string, rows [][]string) error {
	widths := make([]int, len(headings))
	rule := make([]string, len(headings))
	for i, h := range headings {
		widths[i] = max(3, utf8.RuneCountInString(h))
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		rule[i] = strings.Repeat("-", widths[i])
		if i > 0 {
			rule[i] = rule[i][1:] + ":"
		}
	}
	for _, row := range append([][]string{headings, rule}, rows...) {
		var line strings.Builder
		for i, text := range row {
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if i == 0 {
				line.WriteString("| " + text + room + " ")
			} else {
				line.WriteString("| " + room + text + " ")
			}
		}
		if _, err := fmt.Fprintln(w, line.String()+"|"); err != nil {
			return err
		}
	}
	return nil
}

// thisMachine describes the machine in a line.
func thisMachine() string {
	processor := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			processor = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d cores (%s), %s/%s, %s",
		runtime.GOMAXPROCS(0), processor, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
