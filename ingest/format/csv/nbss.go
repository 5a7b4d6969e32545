package csv

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"cohort/ingest/format"
)

// nbss is an extract of the breast screening system. Every value is in quotes, with pipes
// between the values. There are four kinds of record:
//
//	"NBSSAPPT_HDR"|"extract id"|"yyyymmdd"|"HHMMSS"|"records"
//	"NBSSAPPT_FLDS"|"Sequence"|"BSO"|…|"NHS Num"|…
//	"NBSSAPPT_DATA"|…
//	"NBSSAPPT_END"|…
//
// The header gives the number of DATA records, and END follows the last of them. A file
// without either is cut short, and refused.
type nbss struct {
	sheet    *Sheet
	prefix   string // NBSSAPPT
	declared int64
	rows     int64
	ended    bool
}

// nbssPrefix finds the prefix of the markers of such a file; "" for any other file.
func nbssPrefix(start []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimLeft(start, "\r\n"), []byte{'\n'})
	marker, _, found := bytes.Cut(line, []byte{'|'})
	marker = bytes.Trim(marker, `"`)
	prefix, is := bytes.CutSuffix(marker, []byte("_HDR"))
	if !found || !is || len(prefix) == 0 || len(prefix) > 32 || !IsPlain(prefix) {
		return ""
	}
	return string(prefix)
}

// newNBSS reads the header record and the names of the columns.
func newNBSS(t *Sheet, prefix string) (*nbss, error) {
	n := &nbss{sheet: t, prefix: prefix}
	record, err := t.first()
	if err != nil {
		return nil, err
	}
	damaged := &format.FileError{Line: t.line, Problem: "the " + prefix + "_HDR record does not say its extract id and how many records follow", Fix: "ask the sender for the file again"}
	if t.split.values.Count < 5 {
		return nil, damaged
	}
	id, unknown := strconv.ParseUint(string(bytes.TrimSpace(t.split.values.Value(record, 1))), 10, 63)
	count, uncounted := strconv.ParseUint(string(bytes.TrimSpace(t.split.values.Value(record, 4))), 10, 63)
	if unknown != nil || uncounted != nil {
		return nil, damaged
	}
	n.declared = int64(count)
	t.consume(record)
	if _, err := t.peek(); err == io.EOF {
		return nil, n.short()
	}
	record, err = t.first()
	if err == nil && string(t.split.values.Value(record, 0)) != prefix+"_FLDS" {
		err = &format.FileError{Line: t.line, Problem: "there is no " + prefix + "_FLDS record behind the header", Fix: "ask the sender for the file again"}
	}
	if err != nil {
		return nil, err
	}
	t.head = format.Header{Line: t.line, Type: format.TypeNBSS, Named: true, Note: t.note, Sequence: int64(id)}
	if t.head.Names, err = t.names(record); err != nil {
		return nil, err
	}
	t.consume(record)
	return n, nil
}

func (n *nbss) Header() format.Header  { return n.sheet.head }
func (n *nbss) Values() *format.Values { return &n.sheet.split.values }
func (n *nbss) Blanks() int64          { return n.sheet.skipped }

// Use accepts an extract without records: there are days without any.
func (n *nbss) Use([]format.Column) error { return nil }

func (n *nbss) short() *format.FileError {
	return &format.FileError{Problem: "the file is cut short: there is no " + n.prefix + "_END record", Fix: "ask the sender for the file again"}
}

func (n *nbss) Next() (record []byte, line int64, err error) {
	record, line, err = n.sheet.Next()
	if err == io.EOF && !n.ended {
		return nil, 0, n.short()
	}
	if err != nil {
		return nil, 0, err
	}
	marker, found := strings.CutPrefix(string(n.sheet.split.values.Value(record, 0)), n.prefix)
	switch {
	case n.ended:
		return nil, 0, &format.FileError{Line: line, Problem: "there is a record behind " + n.prefix + "_END", Fix: "ask the sender for the file again"}
	case found && marker == "_DATA":
		n.rows++
		return record, line, nil
	case !found || marker != "_END":
		return nil, 0, &format.FileError{Line: line, Problem: "there is a record that is neither " + n.prefix + "_DATA nor " + n.prefix + "_END", Fix: "ask the sender for the file again"}
	case n.rows != n.declared:
		return nil, 0, &format.FileError{
			Line:    line,
			Problem: "the header promises " + strconv.FormatInt(n.declared, 10) + " records and the file holds " + strconv.FormatInt(n.rows, 10),
			Fix:     "ask the sender for the file again",
		}
	}
	n.ended = true
	return n.Next() // only the end of the file may follow
}
