package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"cohort/bench"
	"cohort/ingest"
	"cohort/shard"
)

// Product is the product's own way with a cohort, as a send has it.
type Product struct {
	Options ingest.Options // what the campaign asks of the records
	// Prepare reads a cohort file into a sealed spool in folder.
	Prepare func(ctx context.Context, file, folder string, exclude iter.Seq2[shard.Exclusion, error]) (shard.Manifest, error)
}

// Task is one part to run on one file.
type Task struct {
	Part    string
	File    string  // the cohort, packed where the part unpacks
	List    string  // the people who must not be sent to
	Folder  string  // an empty folder to write to
	Product Product // how the product reads
}

// Result is what a part has counted and taken. Absent says why there is neither.
type Result struct {
	Counts Counts      `json:"counts,omitempty"`
	Usage  bench.Usage `json:"usage"`
	Absent string      `json:"absent,omitempty"`
}

// Run runs one part in this process, which should run nothing else.
func (t Task) Run(ctx context.Context) (Result, error) {
	i := slices.IndexFunc(parts, func(p part) bool { return p.name == t.Part })
	if i < 0 {
		return Result{}, fmt.Errorf("there is no part %s; there are: %s", t.Part, strings.Join(Names(), ", "))
	}
	var counts Counts
	usage, err := bench.Measure(func() (err error) {
		counts, err = parts[i].run(ctx, t)
		return err
	})
	if absent, ok := errors.AsType[*absence](err); ok {
		return Result{Absent: absent.why}, nil
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Counts: counts, Usage: usage}, nil
}

// absence says that a peer is not on this machine.
type absence struct{ why string }

func (a *absence) Error() string { return a.why }

// packing is how a part's file is packed.
type packing string

const (
	plain packing = "csv"
	gz    packing = "csv.gz"
	zst   packing = "csv.zst"
)

// part is one way to read a cohort.
type part struct {
	name    string
	words   string
	packing packing
	oneCore bool     // is measured on one core too
	counts  []string // what it must count
	floor   string   // the part that only unpacks the same file
	run     func(context.Context, Task) (Counts, error)
}

// The parts that others are held against.
const (
	baseline  = "encoding-csv"
	prepare   = "prepare"
	gunzip    = "gunzip"
	unzstd    = "unzstd"
	readWords = "cohort: parse, validate"
	wholeWord = "cohort: the whole prepare"
)

var (
	valid  = []string{countRecords, countValid}
	people = []string{countRecords, countValid, countPeople}
	whole  = []string{countRecords, countValid, countPeople, countSuppressed}
)

// parts are all parts, in the order of the table and of a round.
var parts = []part{
	{"floor", "read and count line ends", plain, false, []string{countLines, countBytes}, "", floor},
	{"parse", "cohort: parse (modulus 11 goes with it)", plain, true, valid, "", parse},
	{"validate", readWords + " (required, types)", plain, true, valid, "", validate},
	{"types", "the same, five typed columns instead of two", plain, true, valid, "", fiveTypes},
	{"distinct", readWords + ", de-duplicate in memory", plain, true, people, "", distinct},
	{prepare, wholeWord, plain, true, whole, "", wholePrepare},
	{gunzip, "gunzip alone (klauspost)", gz, false, []string{countBytes}, "", gunzipAlone},
	{"gzip", readWords + ", from gzip", gz, false, valid, gunzip, validate},
	{"gzip-prepare", wholeWord + ", from gzip", gz, false, whole, gunzip, wholePrepare},
	{unzstd, "unzstd alone (klauspost)", zst, false, []string{countBytes}, "", unzstdAlone},
	{"zstd", readWords + ", from zstd", zst, false, valid, unzstd, validate},
	{"zstd-prepare", wholeWord + ", from zstd", zst, false, whole, unzstd, wholePrepare},
	{baseline, "encoding/csv, ReuseRecord, modulus 11", plain, false, valid, "", encodingCSV},
	{"encoding-csv-map", "the same, map of people", plain, false, people, "", encodingCSVMap},
	{"arrow-csv", "Arrow v15 CSV reader, modulus 11", plain, false, valid, "", arrowCSV},
	{"duckdb", "DuckDB, modulus 11, count distinct", plain, true, people, "", duckDB},
}

// Names are the names of the parts, in their order.
func Names() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}
