package ingest

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// RejectHeader is the header line of a list of rejects.
const RejectHeader = "row,file,line,code,reason"

// RejectWriter writes the list of records that will not be sent, as CSV with the
// header row,file,line,code,reason: where they stand in the file and why, nothing about
// whom. Not safe for concurrent use.
type RejectWriter struct {
	csv   *csv.Writer
	begun bool
}

// NewRejectWriter writes to w, which it does not close.
func NewRejectWriter(w io.Writer) *RejectWriter {
	return &RejectWriter{csv: csv.NewWriter(w)}
}

// Write adds a record: its 1-based row, its file and the 1-based line there, the reason code and the reason in
// words, which must hold no personal data. Lines may stay in memory until Flush.
func (w *RejectWriter) Write(row int64, file string, line int64, code, reason string) error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.csv.Write([]string{strconv.FormatInt(row, 10), file, strconv.FormatInt(line, 10), code, reason})
}

// Flush hands everything to the underlying writer, the header line at the least,
// and returns the first error there was.
func (w *RejectWriter) Flush() error {
	if err := w.begin(); err != nil {
		return err
	}
	w.csv.Flush()
	return w.csv.Error()
}

func (w *RejectWriter) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	return w.csv.Write(strings.Split(RejectHeader, ","))
}
