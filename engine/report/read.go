package report

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"cohort/engine"
	"cohort/ingest/person"
)

// Outcome is what a report says of one record. It carries a person's number: never print it.
type Outcome struct {
	Row       int64
	NHSNumber string
	Fate      person.Fate
	MessageID string // empty: not known
}

// outcomeRow is the part of a report's row that is read back.
type outcomeRow struct {
	Row       int64   `parquet:"row"`
	NHSNumber *string `parquet:"nhs_number,optional"`
	Outcome   string  `parquet:"outcome"`
	MessageID *string `parquet:"message_id,optional"`
}

// File is a report that is read back. It is not safe for concurrent use.
type File struct {
	Run      engine.RunID
	Records  int64
	Complete bool

	path string
	file *os.File
	in   *parquet.File
}

// OpenReport opens a report. Close must be called.
func OpenReport(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, file: file}
	if err := f.open(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func (f *File) open() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if f.in, err = parquet.OpenFile(f.file, info.Size()); err != nil {
		return err
	}
	run, _ := f.in.Lookup("run_id")
	if f.Run, err = engine.ParseRunID(run); err != nil {
		return errors.New("it is no report of a run")
	}
	complete, _ := f.in.Lookup("complete")
	f.Complete, f.Records = complete == strconv.FormatBool(true), f.in.NumRows()
	return nil
}

// Close lets go of the file.
func (f *File) Close() error { return f.file.Close() }

// Outcomes yields every row of the report. Memory does not grow with their number.
func (f *File) Outcomes() iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		in := parquet.NewGenericReader[outcomeRow](f.in)
		defer func() { _ = in.Close() }()
		room := make([]outcomeRow, strip)
		for {
			clear(room)
			n, err := in.Read(room)
			for _, r := range room[:n] {
				if !yield(Outcome{r.Row, valueOf(r.NHSNumber), person.Fate(r.Outcome), valueOf(r.MessageID)}, nil) {
					return
				}
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Outcome{}, fmt.Errorf("%s: %w", f.path, err))
				return
			}
			if n == 0 {
				return
			}
		}
	}
}
