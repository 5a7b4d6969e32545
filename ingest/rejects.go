package ingest

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// RejectHeader is the header line of a list of rejects.
const RejectHeader = "row,file,line,code,reason"

// RejectWriter writes the list of records that will not be sent, as CSV: the place of each in
// the cohort, and the reason. It holds no personal data. Not safe for concurrent use.
type RejectWriter struct{ csv *csv.Writer }

// NewRejectWriter writes the header line to w, which it does not close.
func NewRejectWriter(w io.Writer) *RejectWriter {
	c := csv.NewWriter(w)
	_ = c.Write(strings.Split(RejectHeader, ",")) // Flush returns the error
	return &RejectWriter{c}
}

// Write adds a record: its 1-based row, its file and 1-based line there, the reason code, and
// the reason in words. Lines may stay in memory until Flush.
func (w *RejectWriter) Write(row int64, file string, line int64, code, reason string) error {
	return w.csv.Write([]string{strconv.FormatInt(row, 10), file, strconv.FormatInt(line, 10), code, reason})
}

// Flush writes what is still in memory, and returns the first error of all writing.
func (w *RejectWriter) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}
