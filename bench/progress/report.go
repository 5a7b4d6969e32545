package progress

import (
	"slices"

	"cohort/bench"
)

// Report is what was measured.
type Report struct {
	Machine bench.Machine `json:"machine"`
	Runs    int           `json:"runs"`             // each figure is the median of so many
	Span    float64       `json:"seconds_of_a_run"` // of parts that write
	Rows    []Row         `json:"rows"`
}

// Row is one part.
type Row struct {
	Part    string `json:"part"`
	Words   string `json:"what"`
	Group   int    `json:"messages_of_a_batch,omitempty"`
	Waiting int    `json:"waiting,omitempty"` // goroutines that each wait for their own fsync
	Absent  string `json:"absent,omitempty"`  // why nothing was measured

	Messages  float64 `json:"messages,omitempty"`
	PerSecond float64 `json:"messages_per_second,omitempty"`
	Bytes     float64 `json:"bytes_per_message,omitempty"`
	Syncs     float64 `json:"fsyncs_per_second,omitempty"`
	bench.Usage

	ToFloor float64 `json:"ratio_to_plain_file,omitempty"`      // of messages/s, the same bytes written in the same steps
	ToLog   float64 `json:"ratio_to_the_log,omitempty"`         // of a peer's messages/s
	PerSync float64 `json:"messages_per_plain_fsync,omitempty"` // messages/s for each fsync a second of the machine
	Design  float64 `json:"ratio_to_design,omitempty"`          // of the latter to the figure to reach

	Pairs   int       `json:"pairs,omitempty"`
	Without float64   `json:"messages_per_second_without_fsync,omitempty"`
	Slower  []float64 `json:"slower,omitempty"`         // by what share of the time, by the clock: quartile, median, quartile
	Fastest float64   `json:"slower_at_best,omitempty"` // the same of the fastest tenth, which other work on the machine has hit least
	CPUMore float64   `json:"cpu_more,omitempty"`       // the same in CPU seconds, the median

	kind kind
}

// tabulate takes the medians over the rounds, whose results are in the order of the parts.
// Ratios are taken within a round.
func tabulate(parts []part, rounds [][]Result) []Row {
	rate := func(r Result) float64 { return float64(r.Messages) / r.Usage.Seconds }
	median := func(of int, figure func(r Result, round []Result) float64) float64 {
		var values []float64
		for _, round := range rounds {
			values = append(values, figure(round[of], round))
		}
		return bench.Median(values)
	}
	at := func(name string) int {
		return slices.IndexFunc(parts, func(p part) bool { return p.name == name })
	}
	var rows []Row
	for i, p := range parts {
		row := Row{Part: p.name, Words: p.words, Group: p.group, Waiting: p.waiting, Absent: rounds[0][i].Absent, kind: p.kind}
		rows = append(rows, row)
		if row.Absent != "" {
			continue
		}
		r := &rows[i]
		r.Messages = median(i, func(r Result, _ []Result) float64 { return float64(r.Messages) })
		if p.kind == sending {
			r.compare(rounds, i)
			continue
		}
		var usages []bench.Usage
		for _, round := range rounds {
			usages = append(usages, round[i].Usage)
		}
		r.Usage = bench.MedianUsage(usages)
		r.PerSecond = median(i, func(r Result, _ []Result) float64 { return rate(r) })
		r.Bytes = median(i, func(r Result, _ []Result) float64 { return float64(r.Bytes) / float64(r.Messages) })
		r.Syncs = median(i, func(r Result, _ []Result) float64 { return float64(r.Syncs) / r.Usage.Seconds })
		if p.design > 0 {
			r.PerSync = median(i, func(r Result, _ []Result) float64 { return rate(r) / r.Plain })
			r.Design = r.PerSync / p.design
		}
		if j := at(p.floor); j >= 0 {
			r.ToFloor = median(i, func(r Result, round []Result) float64 { return rate(r) / rate(round[j]) })
		}
		if j := at(p.against); j >= 0 {
			r.ToLog = median(i, func(r Result, round []Result) float64 { return rate(r) / rate(round[j]) })
		}
	}
	return rows
}

// compare takes the pairs of all rounds together.
func (row *Row) compare(rounds [][]Result, i int) {
	var with, without, slower, cpu []float64
	for _, round := range rounds {
		for _, p := range round[i].Pairs {
			with, without = append(with, p.With.Seconds), append(without, p.Without.Seconds)
			slower = append(slower, p.With.Seconds/p.Without.Seconds-1)
			cpu = append(cpu, p.With.CPU/p.Without.CPU-1)
		}
	}
	slices.Sort(slower)
	n := len(slower)
	row.Pairs, row.CPUMore = n, bench.Median(cpu)
	row.Slower = []float64{slower[n/4], bench.Median(slower), slower[n-1-n/4]}
	slices.Sort(with)
	slices.Sort(without)
	row.Fastest = with[n/10]/without[n/10] - 1
	row.PerSecond, row.Without = row.Messages/bench.Median(with), row.Messages/bench.Median(without)
}
