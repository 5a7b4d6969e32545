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

// Outcome is one row of a report, in part. It has a person's number: never print it.
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

// File reads a report. It is not safe for concurrent use.
type File struct {
	Run      engine.RunID
	Records  int64
	Complete bool

	path string
	file *os.File
	in   *parquet.File
}

// OpenReport opens a report. The caller must call Close.
func OpenReport(path string) (*File, error) {
	f := &File{path: path}
	err := openParquet(path, func(file *os.File, in *parquet.File) (err error) {
		run, _ := in.Lookup("run_id")
		if f.Run, err = engine.ParseRunID(run); err != nil {
			return errors.New("it is not the report of a run")
		}
		complete, _ := in.Lookup("complete")
		f.file, f.in, f.Complete, f.Records = file, in, complete == strconv.FormatBool(true), in.NumRows()
		return nil
	})
	return f, err
}

// openParquet opens a Parquet file for use, which keeps it. If use fails, it closes the file.
func openParquet(path string, use func(*os.File, *parquet.File) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	var in *parquet.File
	info, err := file.Stat()
	if err == nil {
		in, err = parquet.OpenFile(file, info.Size())
	}
	if err == nil {
		err = use(file, in)
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (f *File) Close() error { return f.file.Close() }

// Outcomes yields every row of the report. Memory does not grow with their number.
func (f *File) Outcomes() iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		in := parquet.NewGenericReader[outcomeRow](f.in)
		defer func() { _ = in.Close() }()
		room := make([]outcomeRow, 256)
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

// valueOf is the zero value for null.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
