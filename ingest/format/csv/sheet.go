package csv

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// Sheet is a text file of records and values, in UTF-8. It is a format.Source.
type Sheet struct {
	window  window
	split   splitter
	head    format.Header
	line    int64 // where the next record starts
	skipped int64 // empty lines
	note    string
}

// Header implements format.Source, as Values, Blanks and Next do.
func (t *Sheet) Header() format.Header  { return t.head }
func (t *Sheet) Values() *format.Values { return &t.split.values }
func (t *Sheet) Blanks() int64          { return t.skipped }

// Use makes sure that a record follows.
func (t *Sheet) Use([]format.Column) error {
	_, err := t.peek()
	if err == io.EOF {
		return &format.FileError{Problem: "there are no records after the header line", Fix: "ask the sender for the file again"}
	}
	return err
}

// newSheet fills the window and makes sure that it holds text. The delimiter is set, and the
// header read, later.
func newSheet(r io.Reader) (*Sheet, error) {
	t := &Sheet{window: window{src: r}, line: 1}
	if err := t.window.fill(); err != nil {
		return nil, err
	}
	if t.window.err != nil {
		return nil, t.window.err // less than the start of the file is not enough to judge it
	}
	if err := sniff(t.window.buf[:t.window.end], t.window.done); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(t.window.buf[:t.window.end], []byte(format.BOM)) {
		t.window.start = len(format.BOM)
	}
	return t, nil
}

// first finds the first record, and sets how many values a record has.
func (t *Sheet) first() ([]byte, error) {
	record, err := t.peek()
	if err == nil {
		t.split.values.Spans = make([]format.Span, t.split.values.Count)
		record, err = t.peek() // again, now that there is room for every value
	}
	if err == io.EOF {
		return nil, &format.FileError{Problem: "the file holds nothing but empty lines", Fix: "ask the sender for the file again"}
	}
	return record, err
}

// readHeader reads the names in the first line, or counts its values.
func (t *Sheet) readHeader(headed bool) error {
	record, err := t.first()
	if err != nil {
		return err
	}
	t.head = format.Header{Line: t.line, Type: format.TypeCSV, Named: headed, Note: t.note}
	if !headed {
		for k := range t.split.values.Spans {
			t.head.Names = append(t.head.Names, strconv.Itoa(k+1))
		}
		return nil
	}
	if t.head.Names, err = t.names(record); err != nil {
		return err
	}
	if format.IsMESH(t.head.Names) {
		t.head.Type = format.TypeMESH
	}
	t.consume(record)
	t.head.Below, _ = t.start()
	t.head.BelowLine = t.line
	return nil
}

// names reads a record as the names of the columns.
func (t *Sheet) names(record []byte) (names []string, err error) {
	if !utf8.Valid(record) {
		return nil, &format.FileError{Line: t.line, Problem: "the header line holds bytes that are not UTF-8", Fix: "save the file as UTF-8, or set cohort.format.encoding: windows-1252 if that is what it is"}
	}
	for k := range t.split.values.Spans {
		name := string(bytes.TrimFunc(t.split.values.Value(record, k), person.Invisible))
		parts := strings.FieldsFunc(name, func(r rune) bool { return r == '\n' || r == rune(t.split.values.Comma) })
		if len(parts) > 1 && slices.ContainsFunc(parts, format.IsNumber) {
			return nil, &format.FileError{Line: t.line, Problem: "the header line has quotes around a line with an NHS number", Fix: "remove the stray quotes"}
		}
		names = append(names, name)
	}
	return names, nil
}

func (t *Sheet) Next() (record []byte, line int64, err error) {
	line = t.line
	w, last := t.window.bytes()
	if n, what := t.split.next(w, last); what == cutRecord && n <= format.MaxRecord && !t.vacant(w[:n], last && n == len(w)) { // as nearly always
		t.window.start += n
		t.line += int64(t.split.values.Breaks)
		return w[:n], line, nil
	}
	if record, err = t.peek(); err != nil {
		return nil, 0, err
	}
	line = t.line
	t.consume(record)
	return record, line, nil
}

// peek skips empty lines, finds the next record, and leaves it in place. The record is valid
// until the next peek. The error is io.EOF at the end of the file, a *FileError when there is
// no certain end of the record, or an error of the source.
func (t *Sheet) peek() ([]byte, error) {
	for {
		w, last := t.window.bytes()
		n, what := t.split.next(w, last)
		switch {
		case what == cutRecord && n <= format.MaxRecord && !t.vacant(w[:n], last && n == len(w)):
			return w[:n], nil
		case what == cutBlank, what == cutRecord && n <= format.MaxRecord:
			t.window.start += n
			t.line += int64(t.split.values.Breaks)
			t.skipped++
		case what == cutEnd:
			return nil, io.EOF
		case what == cutMore && len(w) <= format.MaxRecord:
			if err := t.window.fill(); err != nil {
				return nil, err
			}
		default:
			return nil, t.refuse(w, what)
		}
	}
}

// vacant reports whether a record holds only delimiters, quotes and invisible characters.
// Spreadsheets write such lines behind the last record. A record with control characters is
// not vacant, because they may replace somebody's data. An exception is the single byte that
// ends a DOS file.
func (t *Sheet) vacant(record []byte, final bool) bool {
	if c := record[0]; c > ' ' && c <= '~' && c != t.split.values.Comma && c != '"' {
		return false
	}
	if final && string(record) == "\x1a" {
		return true
	}
	return len(bytes.TrimFunc(record, func(r rune) bool {
		return r == rune(t.split.values.Comma) || r == '"' || person.Invisible(r) && !person.Stray(r)
	})) == 0
}

// consume moves past a record that peek has found.
func (t *Sheet) consume(record []byte) {
	t.window.start += len(record)
	t.line += int64(t.split.values.Breaks)
}

// refuse explains why no record can be cut at the start of w.
func (t *Sheet) refuse(w []byte, what cut) *format.FileError {
	lineOf := func(at int) int64 { return t.line + int64(bytes.Count(w[:at], []byte{'\n'})) }
	const double = "put the value in quotes and double every quote inside it"
	switch {
	case what == cutBareQuote:
		return &format.FileError{Line: lineOf(t.split.at), Problem: "there is a quote inside a value that does not begin with one", Fix: double}
	case what == cutAfterQuote:
		problem := "there is text after a closing quote"
		if opened := lineOf(t.split.opening); opened != lineOf(t.split.at) {
			problem += " (the quote was opened on line " + strconv.FormatInt(opened, 10) + ")"
		}
		return &format.FileError{Line: lineOf(t.split.at), Problem: problem, Fix: double}
	case what == cutUnclosed:
		return &format.FileError{Line: lineOf(t.split.opening), Problem: "a quote is opened and never closed", Fix: "close it, or " + double}
	case what == cutMore && t.split.open >= 0:
		return &format.FileError{Line: lineOf(t.split.open), Problem: "a quote is opened and not closed within 1 MiB", Fix: "close it, or " + double}
	case bytes.Count(w, []byte{'\r'}) > bytes.Count(w, []byte{'\n'})+1:
		return &format.FileError{Line: t.line, Problem: "a record is longer than 1 MiB and holds carriage returns alone", Fix: "save the file with LF or CRLF line ends"}
	}
	return &format.FileError{Line: t.line, Problem: "a record is longer than 1 MiB", Fix: "make sure that this is a CSV with one record a line"}
}

// start returns the first unread bytes, and whether the file ends there. They decide the
// dialect.
func (t *Sheet) start() (start []byte, whole bool) {
	w := t.window.buf[t.window.start:t.window.end]
	return w[:min(len(w), StartSize)], t.window.done && len(w) <= StartSize
}
