package report

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strconv"

	zstdlevel "github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cohort/engine"
	"cohort/engine/durable"
	"cohort/ingest/person"
)

// Input is what a report is made of.
type Input struct {
	Plan     *engine.Plan
	Account  engine.Account
	Events   []engine.Event // what people and the run decided, the latest of them
	Trail    *engine.Trail
	Records  iter.Seq2[person.Record, error] // every record of the cohort file, by row
	Version  string                          // of the program
	Complete bool                            // every record has its final fate
}

const rowsInGroup = 1 << 17

// Write writes the report to path: under a temporary name, synced, renamed. It counts
// the fates as it goes, and fails when they are not those of the account.
func Write(path string, in Input) error {
	err := durable.WriteFile(path, func(w io.Writer) error { return write(w, in) })
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Encode is Write to a stream. Of what it has written when it fails nothing can be used.
func Encode(w io.Writer, in Input) error {
	if err := write(w, in); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func write(w io.Writer, in Input) error {
	out := parquet.NewGenericWriter[row](w,
		parquet.Compression(&zstd.Codec{Level: zstdlevel.SpeedFastest}),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("row"))),
		parquet.CreatedBy("cohort", in.Version, ""),
		parquet.MaxRowsPerRowGroup(rowsInGroup),
	)
	counts, err := writeRows(out, in)
	if err != nil {
		return err
	}
	for _, fate := range person.Fates {
		if counts[fate] != in.Account.Fates[fate] {
			return fmt.Errorf("it would hold %d records as %s and the account has %d; this is a defect of cohort", counts[fate], fate, in.Account.Fates[fate])
		}
		out.SetKeyValueMetadata(string(fate), strconv.FormatInt(counts[fate], 10))
	}
	events, err := json.Marshal(in.Events)
	if err != nil {
		return err
	}
	for key, value := range map[string]string{
		"events":   string(events),
		"campaign": in.Plan.Campaign, "run_id": in.Plan.RunID, "cohort_sha256": in.Plan.Cohort.SHA256,
		"service": in.Plan.Service, "records": strconv.FormatInt(in.Plan.Records, 10),
		"version": in.Version, "complete": strconv.FormatBool(in.Complete),
	} {
		out.SetKeyValueMetadata(key, value)
	}
	return out.Close()
}

// writeRows writes a row for each record and counts the fates.
func writeRows(out *parquet.GenericWriter[row], in Input) (map[person.Fate]int64, error) {
	counts := map[person.Fate]int64{}
	template := in.Plan.Template
	files := make([]string, len(in.Plan.Cohort.Files))
	for i, f := range in.Plan.Cohort.Files {
		files[i] = filepath.Base(f.Path)
	}
	rows := make([]row, 0, 1024)
	flush := func() error {
		_, err := out.Write(rows)
		rows = rows[:0]
		return err
	}
	for record, err := range in.Records {
		if err != nil {
			return nil, err
		}
		var outcome *engine.MessageOutcome
		if record.Fate == "" {
			o, err := in.Trail.Outcome(record.Row, record.Shard, record.Position)
			if err != nil {
				return nil, err
			}
			outcome = &o
		}
		if record.File >= len(files) {
			return nil, fmt.Errorf("record %d is of file %d, and the plan knows %d files", record.Row, record.File+1, len(files))
		}
		rows = rows[:len(rows)+1]
		r := &rows[len(rows)-1]
		r.fill(&record, files[record.File], &template, outcome)
		counts[person.Fate(r.Outcome)]++
		if len(rows) == cap(rows) {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return counts, flush()
}
