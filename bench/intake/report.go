package intake

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"cohort/bench"
)

// Report is what was measured.
type Report struct {
	Machine bench.Machine `json:"machine"`
	DuckDB  string        `json:"duckdb"` // its version, empty where there is none
	Runs    int           `json:"runs"`   // each figure is the median of so many
	Seed    uint64        `json:"seed"`
	Cohort  Counts        `json:"cohort"` // what is in the file, as every part has counted it
	Rows    []Row         `json:"rows"`
	Sizes   []Row         `json:"sizes"` // the whole prepare of several cohorts
}

// Row is one part on so many cores.
type Row struct {
	Part          string  `json:"part"`
	Words         string  `json:"what"`
	Cores         int     `json:"cores"` // GOMAXPROCS
	Records       int64   `json:"records"`
	RowsPerSecond float64 `json:"rows_per_second"`
	MBPerSecond   float64 `json:"mb_per_second"` // of unpacked text; a megabyte is 1,000,000 bytes
	bench.Usage
	ToCSV    float64 `json:"ratio_to_encoding_csv"`              // of rows/s
	ToUnpack float64 `json:"ratio_to_unpacking_alone,omitempty"` // of rows/s, where the file is packed
	Absent   string  `json:"absent,omitempty"`                   // why nothing was measured
}

// find is the index of a row, or -1.
func (r Report) find(part string, cores int) int {
	return slices.IndexFunc(r.Rows, func(row Row) bool { return row.Part == part && row.Cores == cores })
}

// tabulate takes the medians over the rounds of some cells, whose results are in the order
// of the cells.
func tabulate(cells []cell, rounds [][]Result, truth Counts) []Row {
	all := 0 // all cores
	for _, c := range cells {
		all = max(all, c.cores)
	}
	at := func(name string) int {
		return slices.IndexFunc(cells, func(c cell) bool { return c.part.name == name && c.cores == all })
	}
	var rows []Row
	for i, c := range cells {
		row := Row{Part: c.part.name, Words: c.part.words, Cores: c.cores, Records: truth[countRecords]}
		var usages []bench.Usage
		for _, round := range rounds {
			if row.Absent = round[i].Absent; row.Absent != "" {
				break
			}
			usages = append(usages, round[i].Usage)
		}
		if row.Absent == "" {
			row.Usage = bench.MedianUsage(usages)
			row.RowsPerSecond = float64(row.Records) / row.Seconds
			row.MBPerSecond = float64(truth[countBytes]) / 1e6 / row.Seconds
			row.ToCSV = faster(rounds, i, at(baseline))
			if c.part.floor != "" {
				row.ToUnpack = faster(rounds, i, at(c.part.floor))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// faster is how many times as fast cell i is as cell j: the median of the ratios of the
// rounds.
func faster(rounds [][]Result, i, j int) float64 {
	var ratios []float64
	for _, round := range rounds {
		ratios = append(ratios, round[j].Usage.Seconds/round[i].Usage.Seconds)
	}
	return bench.Median(ratios)
}

// Print writes the report as tables.
func (r Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d records, %d bytes, %d valid numbers of %d people, %d of whom are left out by a list; seed %d\n",
		r.Cohort[countRecords], r.Cohort[countBytes], r.Cohort[countValid], r.Cohort[countPeople], r.Cohort[countSuppressed], r.Seed)
	with := r.Machine.Go
	if r.DuckDB != "" {
		with += ", DuckDB " + r.DuckDB
	}
	fmt.Fprintf(w, "%d cores (%s), %s, %s; each figure is the median of %d\n\n", r.Machine.Cores, r.Machine.Processor, r.Machine.System, with, r.Runs)
	if err := bench.WriteTable(w, append([]string{"reader"}, figures...), lines(r.Rows, func(row Row) string { return row.Words })); err != nil {
		return err
	}
	if len(r.Sizes) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return bench.WriteTable(w, append([]string{"the whole prepare of"}, figures...), lines(r.Sizes, func(row Row) string { return strconv.FormatInt(row.Records, 10) }))
}

// figures are the headings behind the first.
var figures = []string{" cores", " Mrow/s", " MB/s", " s", " CPU s", " peak MiB", " to encoding/csv", " to unpacking"}

func lines(rows []Row, first func(Row) string) (cells [][]string) {
	for _, r := range rows {
		line := []string{first(r), strconv.Itoa(r.Cores)}
		if r.Absent != "" {
			line[0] += " (" + r.Absent + ")"
		}
		number := func(format string, v float64) {
			text := ""
			if v > 0 {
				text = fmt.Sprintf(format, v)
			}
			line = append(line, text)
		}
		number("%.2f", r.RowsPerSecond/1e6)
		number("%.0f", r.MBPerSecond)
		number("%.2f", r.Seconds)
		number("%.2f", r.CPU)
		number("%.0f", float64(r.Peak)/(1<<20))
		number("%.2f", r.ToCSV)
		number("%.2f", r.ToUnpack)
		cells = append(cells, line)
	}
	return cells
}
