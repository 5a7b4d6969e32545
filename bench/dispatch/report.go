package dispatch

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"cohort/bench"
)

// Report is what was measured.
type Report struct {
	Machine  bench.Machine `json:"machine"`
	Runs     int           `json:"runs"` // each figure is the median of so many
	Seed     uint64        `json:"seed"`
	Bound    float64       `json:"bound_seconds"` // after which a cell was stopped
	Records  int64         `json:"records"`
	Messages int64         `json:"messages"`
	Rows     []Row         `json:"rows"`
}

// Row is one cell.
type Row struct {
	Group      string  `json:"group"`
	Sender     string  `json:"sender"`
	Words      string  `json:"what"`
	Shape      string  `json:"messages_a_request"`
	InFlight   int     `json:"in_flight,omitempty"`
	Latency    float64 `json:"latency_ms"`
	Sent       float64 `json:"messages"`
	Rate       float64 `json:"messages_per_second"`
	Requests   float64 `json:"requests_per_second"`
	CPUMillion float64 `json:"cpu_seconds_per_million"`
	Syncs      float64 `json:"fsyncs,omitempty"`
	bench.Usage
	ToHTTP    float64 `json:"share_of_net_http,omitempty"`
	ToSockets float64 `json:"share_of_sockets,omitempty"`
	ToPlainGo float64 `json:"ratio_to_plain_go,omitempty"` // of messages/s
	MemoryTo  float64 `json:"memory_to_plain_go,omitempty"`
	Absent    string  `json:"absent,omitempty"` // why nothing was measured
}

// words say what a sender is.
func words(sender string) string {
	if p, ok := peerOf(sender); ok {
		return p.words
	}
	return map[string]string{
		engineTask: "cohort, dispatching", wholeTask: "cohort, the whole send",
		httpTask: "floor: net/http, ready-made", socketTask: "floor: sockets, ready-made",
	}[sender]
}

func (c cell) String() string {
	text := words(c.sender) + ", " + c.shape.words
	if c.inFlight > 0 {
		text += fmt.Sprintf(", %d in flight", c.inFlight)
	}
	if c.latency > 0 {
		text += ", " + c.latency.String() + " latency"
	}
	if c.strict {
		text += ", to the strict simulator"
	}
	return text
}

func (o Outcome) rate() float64 { return float64(o.Messages) / o.Usage.Seconds }

// tabulate takes the medians over the rounds of some cells, whose outcomes are in the
// order of the cells.
func tabulate(cells []cell, rounds [][]Outcome, absent map[string]string) []Row {
	var rows []Row
	for i, c := range cells {
		row := Row{Group: c.group, Sender: c.sender, Words: words(c.sender), Shape: c.shape.name, InFlight: c.inFlight, Latency: float64(c.latency) / float64(time.Millisecond), Absent: absent[c.sender]}
		if row.Absent == "" {
			of := func(figure func(Outcome) float64) float64 {
				var values []float64
				for _, round := range rounds {
					values = append(values, figure(round[i]))
				}
				return bench.Median(values)
			}
			// A ratio is taken within a round, to the cell that differs in its sender alone.
			to := func(sender string, figure func(Outcome) float64) float64 {
				j := slices.IndexFunc(cells, func(d cell) bool {
					same := d.inFlight == c.inFlight && d.latency == c.latency && d.strict == c.strict && d.group == c.group
					return d.sender == sender && d.shape == c.shape && (same || d.group == peersGroup && c.group != strictGroup)
				})
				if j < 0 || j == i || absent[sender] != "" || c.latency > 0 && cells[j].latency != c.latency {
					return 0
				}
				var values []float64
				for _, round := range rounds {
					values = append(values, figure(round[i])/figure(round[j]))
				}
				return bench.Median(values)
			}
			var usages []bench.Usage
			for _, round := range rounds {
				usages = append(usages, round[i].Usage)
			}
			row.Usage = bench.MedianUsage(usages)
			row.Sent = of(func(o Outcome) float64 { return float64(o.Messages) })
			row.Rate = of(Outcome.rate)
			row.Requests = of(func(o Outcome) float64 { return float64(o.Requests) / o.Usage.Seconds })
			row.CPUMillion = of(func(o Outcome) float64 { return o.Usage.CPU / float64(o.Messages) * 1e6 })
			row.Syncs = of(func(o Outcome) float64 { return float64(o.Syncs) })
			if c.sender == engineTask {
				row.ToHTTP, row.ToSockets = to(httpTask, Outcome.rate), to(socketTask, Outcome.rate)
			}
			if c.sender != httpTask && c.sender != socketTask {
				row.ToPlainGo = to(plainGo, Outcome.rate)
				if c.sender == wholeTask {
					row.MemoryTo = to(plainGo, func(o Outcome) float64 { return float64(o.Usage.Peak) })
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// Print writes the report as tables.
func (r Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d records, %d messages; seed %d; a cell is stopped after %g s\n", r.Records, r.Messages, r.Seed, r.Bound)
	fmt.Fprintf(w, "%d cores (%s), %s, %s; each figure is the median of %d\n", r.Machine.Cores, r.Machine.Processor, r.Machine.System, r.Machine.Go, r.Runs)
	for _, table := range []struct {
		groups []string
		floors bool
	}{{[]string{batchedGroup, singleGroup, strictGroup}, false}, {[]string{batchedGroup, singleGroup}, true}, {[]string{wholeGroup, peersGroup}, false}} {
		var rows []Row
		for _, row := range r.Rows {
			if floor := row.Sender == httpTask || row.Sender == socketTask; slices.Contains(table.groups, row.Group) && floor == table.floors {
				rows = append(rows, row)
			}
		}
		if len(rows) == 0 {
			continue
		}
		if slices.Contains(table.groups, wholeGroup) {
			slices.SortStableFunc(rows, func(a, b Row) int { return len(b.Shape) - len(a.Shape) })
		}
		fmt.Fprintln(w)
		if err := writeFilled(w, lines(rows)); err != nil {
			return err
		}
	}
	return nil
}

// writeFilled writes a table of the columns in which anything stands.
func writeFilled(w io.Writer, rows [][]string) error {
	var headings []string
	kept := make([][]string, len(rows))
	for column, heading := range figures {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[column] != "" }) {
			continue
		}
		headings = append(headings, heading)
		for i, row := range rows {
			kept[i] = append(kept[i], row[column])
		}
	}
	return bench.WriteTable(w, headings, kept)
}

var figures = []string{"sender", "request", " in flight", " latency", " msg/s", " requests/s", " s", " CPU s/M", " peak MiB", " fsyncs", " of net/http", " of sockets", " to plain Go", " memory to it"}

func lines(rows []Row) (cells [][]string) {
	for _, r := range rows {
		line := []string{r.Words, shapeOf(r.Shape).words}
		if r.Group == strictGroup {
			line[0] += " (to the strict simulator)"
		}
		if r.Absent != "" {
			line[0] += " (left out: " + r.Absent + ")"
		}
		number := func(format string, v float64) {
			text := ""
			if v > 0 {
				text = fmt.Sprintf(format, v)
			}
			line = append(line, text)
		}
		number("%.0f", float64(r.InFlight))
		latency := ""
		if r.Group == batchedGroup || r.Group == singleGroup {
			latency = strconv.FormatFloat(r.Latency, 'f', -1, 64) + " ms"
		}
		line = append(line, latency)
		number("%.0f", r.Rate)
		number("%.0f", r.Requests)
		number("%.2f", r.Seconds)
		number("%.2f", r.CPUMillion)
		number("%.0f", float64(r.Peak)/(1<<20))
		number("%.0f", r.Syncs)
		number("%.2f", r.ToHTTP)
		number("%.2f", r.ToSockets)
		number("%.2f", r.ToPlainGo)
		number("%.2f", r.MemoryTo)
		cells = append(cells, line)
	}
	return cells
}

// Chart is what of the report a person should see at a glance: the engine between its
// floors, and the whole of a send between its peers, where the service answers at once.
func (r Report) Chart() bench.Chart {
	chart := bench.Chart{Title: "cohort bench send: messages a second", Unit: "/s"}
	group := func(title string, in func(Row) bool) {
		g := bench.Bars{Title: title}
		for _, row := range r.Rows {
			if in(row) && row.Absent == "" && row.Latency == 0 {
				g.Bars = append(g.Bars, bench.Bar{Name: row.Words, Value: row.Rate, Ours: row.Sender == engineTask || row.Sender == wholeTask})
			}
		}
		if len(g.Bars) > 0 {
			chart.Groups = append(chart.Groups, g)
		}
	}
	for _, s := range shapes {
		if s.name == singleShape {
			continue
		}
		group("dispatching, "+s.words, func(row Row) bool { return row.Group == batchedGroup && row.Shape == s.name })
	}
	for _, n := range singles {
		group(fmt.Sprintf("dispatching, 1 a request, %d in flight", n), func(row Row) bool { return row.Group == singleGroup && row.InFlight == n })
	}
	for _, name := range []string{thousandShape, singleShape} {
		group("from the file to the last answer, "+shapeOf(name).words, func(row Row) bool {
			return (row.Group == wholeGroup || row.Group == peersGroup) && row.Shape == name
		})
	}
	return chart
}
