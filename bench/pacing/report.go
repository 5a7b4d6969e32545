package pacing

import (
	"fmt"
	"io"

	"cohort/bench"
)

// Report is what was measured.
type Report struct {
	Machine bench.Machine `json:"machine"`
	Runs    int           `json:"runs"`         // each figure is the median of so many
	Span    float64       `json:"span_seconds"` // of a cell
	Rows    []Row         `json:"rows"`
}

// Row is one cell.
type Row struct {
	Sender   string  `json:"sender"`
	Words    string  `json:"what"`
	Batch    int     `json:"messages_a_request"`
	Asked    float64 `json:"asked_per_second"`    // messages
	Achieved float64 `json:"achieved_per_second"` // messages
	Worst    float64 `json:"worst_second"`        // the most messages in any sliding second
	ToLimit  float64 `json:"worst_to_limit"`      // that, to the rate and one batch
	Highest  float64 `json:"highest_to_limit"`    // the same in the worst of the runs
	CPUToken float64 `json:"cpu_us_per_message"`  // microseconds
	Absent   string  `json:"absent,omitempty"`    // why nothing was measured
}

// tabulate takes the medians over the rounds of some cells, whose results are in the
// order of the cells.
func tabulate(cells []cell, rounds [][]Result, absent map[string]string) (rows []Row) {
	for i, c := range cells {
		row := Row{Sender: c.sender, Words: c.words(), Batch: c.batch, Asked: c.rate, Absent: absent[c.sender]}
		if row.Absent == "" {
			of := func(figure func(Result) float64) float64 {
				var values []float64
				for _, round := range rounds {
					values = append(values, figure(round[i]))
				}
				return bench.Median(values)
			}
			batch := float64(c.batch)
			limit := c.rate + batch
			row.Achieved = of(func(r Result) float64 { return r.Achieved * batch })
			row.Worst = of(func(r Result) float64 { return float64(r.Worst) * batch })
			row.ToLimit = row.Worst / limit
			for _, round := range rounds {
				row.Highest = max(row.Highest, float64(round[i].Worst)*batch/limit)
			}
			row.CPUToken = of(func(r Result) float64 { return r.Usage.CPU / (float64(r.Requests) * batch) * 1e6 })
		}
		rows = append(rows, row)
	}
	return rows
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d goroutines at the gate; %g s a cell\n", goroutines, r.Span)
	fmt.Fprintf(w, "%d cores (%s), %s, %s; each figure is the median of %d\n\n", r.Machine.Cores, r.Machine.Processor, r.Machine.System, r.Machine.Go, r.Runs)
	var lines [][]string
	for _, row := range r.Rows {
		c := cell{row.Sender, row.Asked, row.Batch}
		line := []string{c.words(), fmt.Sprintf("%g", row.Asked), c.request()}
		if row.Absent != "" {
			line[0] += " (left out: " + row.Absent + ")"
			lines = append(lines, append(line, "", "", "", "", "", ""))
			continue
		}
		lines = append(lines, append(line,
			fmt.Sprintf("%.2f", row.Achieved), fmt.Sprintf("%.2f", row.Achieved/row.Asked*100),
			fmt.Sprintf("%.0f", row.Worst), fmt.Sprintf("%.5f", row.ToLimit), fmt.Sprintf("%.5f", row.Highest),
			fmt.Sprintf("%.2f", row.CPUToken)))
	}
	return bench.WriteTable(w, []string{"gate", " asked/s", "request", " achieved/s", " %", " worst second", " to rate + batch", " in the worst run", " CPU us a message"}, lines)
}

// Chart is what a person should see at a glance: what is lost of each rate, and what the
// waiting costs.
func (r Report) Chart() bench.Chart {
	chart := bench.Chart{Title: "cohort bench pace: nanoseconds of processor time a message", Unit: " ns"}
	for _, a := range asked {
		g := bench.Bars{Title: fmt.Sprintf("%g a second, %s", a.rate, cell{batch: a.batch}.request())}
		for _, row := range r.Rows {
			if row.Asked != a.rate || row.Batch != a.batch || row.Absent != "" {
				continue
			}
			name := fmt.Sprintf("%s: %.2f %% of it", row.Words, row.Achieved/row.Asked*100)
			g.Bars = append(g.Bars, bench.Bar{Name: name, Value: row.CPUToken * 1000, Ours: row.Sender == cohortSender})
		}
		if len(g.Bars) > 0 {
			chart.Groups = append(chart.Groups, g)
		}
	}
	return chart
}
