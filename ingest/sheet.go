package ingest

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cohort/ingest/person"
)

// sheet is a text file of records and values, in UTF-8 by the time it gets here.
type sheet struct {
	window  window
	split   splitter
	head    header
	line    int64 // where the next record starts
	skipped int64 // empty lines
	note    string
}

func (t *sheet) header() header    { return t.head }
func (t *sheet) values() *splitter { return &t.split }
func (t *sheet) blanks() int64     { return t.skipped }

// use makes sure that a record follows.
func (t *sheet) use([]int) error {
	if _, err := t.peek(); err == io.EOF {
		return &FileError{Problem: "there are no records after the header line", Fix: "ask the sender for the file again"}
	} else if err != nil {
		return err
	}
	return nil
}

// newSheet fills the window and makes sure that it holds text. The delimiter and the
// header are still to be found.
func newSheet(r io.Reader) (*sheet, error) {
	t := &sheet{window: window{src: r}, line: 1}
	if err := t.window.fill(); err != nil {
		return nil, err
	}
	if t.window.err != nil {
		return nil, t.window.err // nobody can judge a file by a piece of its start
	}
	if err := sniff(t.window.buf[:t.window.end], t.window.done); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(t.window.buf[:t.window.end], []byte(bom)) {
		t.window.start = len(bom)
	}
	return t, nil
}

// first finds the first record and makes room for as many values as it has.
func (t *sheet) first() ([]byte, error) {
	record, err := t.peek()
	if err == nil {
		t.split.spans = make([]span, t.split.count)
		record, err = t.peek() // again, now that there is room for every value
	}
	if err == io.EOF {
		return nil, &FileError{Problem: "the file holds nothing but empty lines", Fix: "ask the sender for the file again"}
	}
	return record, err
}

// readHeader reads the names in the first line, or counts its columns.
func (t *sheet) readHeader(headed bool) error {
	record, err := t.first()
	if err != nil {
		return err
	}
	t.head = header{line: t.line, kind: typeCSV, named: headed}
	if !headed {
		for k := range t.split.spans {
			t.head.names = append(t.head.names, strconv.Itoa(k+1))
		}
		return nil
	}
	if t.head.names, err = t.names(record); err != nil {
		return err
	}
	if isMESH(t.head.names) {
		t.head.kind = typeMESH
	}
	t.consume(record)
	return nil
}

// names reads a record as the columns' names.
func (t *sheet) names(record []byte) (names []string, err error) {
	if !utf8.Valid(record) {
		return nil, &FileError{Line: t.line, Problem: "the header line holds bytes that are not UTF-8", Fix: "save the file as UTF-8, or set cohort.format.encoding: windows-1252 if that is what it is"}
	}
	for k := range t.split.spans {
		name := string(bytes.TrimFunc(t.split.value(record, k), person.Invisible))
		parts := strings.FieldsFunc(name, func(r rune) bool { return r == '\n' || r == rune(t.split.comma) })
		if len(parts) > 1 && slices.ContainsFunc(parts, isNumber) {
			return nil, &FileError{Line: t.line, Problem: "the header line has quotes around a line with an NHS number", Fix: "take the stray quotes out"}
		}
		names = append(names, name)
	}
	return names, nil
}

func (t *sheet) next() (record []byte, line int64, err error) {
	line = t.line
	w, last := t.window.bytes()
	if n, what := t.split.next(w, last); what == cutRecord && n <= maxRecord && !t.vacant(w[:n], last && n == len(w)) { // as nearly always
		t.window.start += n
		t.line += int64(t.split.breaks)
		return w[:n], line, nil
	}
	if record, err = t.peek(); err != nil {
		return nil, 0, err
	}
	line = t.line
	t.consume(record)
	return record, line, nil
}

// peek finds the next record, past empty lines, and leaves it in place. The error
// is io.EOF at the end of the file, a *FileError when no record can be told, or an
// error of the source. The record holds until the next peek.
func (t *sheet) peek() ([]byte, error) {
	for {
		w, last := t.window.bytes()
		n, what := t.split.next(w, last)
		switch {
		case what == cutRecord && n <= maxRecord && !t.vacant(w[:n], last && n == len(w)):
			return w[:n], nil
		case what == cutBlank, what == cutRecord && n <= maxRecord:
			t.window.start += n
			t.line += int64(t.split.breaks)
			t.skipped++
		case what == cutEnd:
			return nil, io.EOF
		case what == cutMore && len(w) <= maxRecord:
			if err := t.window.fill(); err != nil {
				return nil, err
			}
		default:
			return nil, t.refuse(w, what)
		}
	}
}

// vacant reports whether a record has nothing but delimiters, quotes and what cannot be seen:
// spreadsheets write such lines behind the last record. A record of control characters is not
// vacant, since somebody may have stood there; but for the one byte by which DOS ends a file.
func (t *sheet) vacant(record []byte, final bool) bool {
	if c := record[0]; visible(c) && c != t.split.comma && c != '"' {
		return false
	}
	if final && string(record) == "\x1a" {
		return true
	}
	return len(bytes.TrimFunc(record, func(r rune) bool {
		return r == rune(t.split.comma) || r == '"' || person.Invisible(r) && !person.Stray(r)
	})) == 0
}

// consume goes past a record that peek has found.
func (t *sheet) consume(record []byte) {
	t.window.start += len(record)
	t.line += int64(t.split.breaks)
}

// refuse explains why no record can be told at the start of w.
func (t *sheet) refuse(w []byte, what cut) *FileError {
	lineOf := func(at int) int64 { return t.line + int64(bytes.Count(w[:at], []byte{'\n'})) }
	const double = "put the value in quotes and double every quote inside it"
	switch {
	case what == cutBareQuote:
		return &FileError{Line: lineOf(t.split.at), Problem: "there is a quote inside a value that does not begin with one", Fix: double}
	case what == cutAfterQuote:
		problem := "there is text after a closing quote"
		if opened := lineOf(t.split.opening); opened != lineOf(t.split.at) {
			problem += " (the quote was opened on line " + strconv.FormatInt(opened, 10) + ")"
		}
		return &FileError{Line: lineOf(t.split.at), Problem: problem, Fix: double}
	case what == cutUnclosed:
		return &FileError{Line: lineOf(t.split.opening), Problem: "a quote is opened and never closed", Fix: "close it, or " + double}
	case what == cutMore && t.split.open >= 0:
		return &FileError{Line: lineOf(t.split.open), Problem: "a quote is opened and not closed within 1 MiB", Fix: "close it, or " + double}
	case bytes.Count(w, []byte{'\r'}) > bytes.Count(w, []byte{'\n'})+1:
		return &FileError{Line: t.line, Problem: "a record is longer than 1 MiB and holds carriage returns alone", Fix: "save the file with LF or CRLF line ends"}
	}
	return &FileError{Line: t.line, Problem: "a record is longer than 1 MiB", Fix: "make sure that this is a CSV with one record a line"}
}

// start is the part of the file's beginning that a dialect is told from.
func (t *sheet) start() []byte {
	w := t.window.buf[t.window.start:t.window.end]
	return w[:min(len(w), sniffed)]
}
