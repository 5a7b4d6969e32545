package ingest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"cohort/ingest/person"
)

// peek finds the next record, past empty lines, and leaves it in place. The error
// is io.EOF at the end of the file, a *FileError when no record can be told, or an
// error of the source. The record holds until the next peek.
func (d *Reader) peek() ([]byte, error) {
	for {
		w, last := d.window.bytes()
		n, what := d.split.next(w, last)
		switch {
		case what == cutRecord && n <= maxRecord:
			return w[:n], nil
		case what == cutBlank:
			d.window.start += n
			d.line += int64(d.split.breaks)
			d.blank++
		case what == cutEnd:
			return nil, io.EOF
		case what == cutMore && len(w) <= maxRecord:
			if err := d.window.fill(); err != nil {
				return nil, err
			}
		default:
			return nil, d.refuse(w, what)
		}
	}
}

// consume goes past a record that peek has found.
func (d *Reader) consume(record []byte) {
	d.window.start += len(record)
	d.line += int64(d.split.breaks)
}

// refuse explains why no record can be told at the start of w.
func (d *Reader) refuse(w []byte, what cut) *FileError {
	lineOf := func(at int) int64 { return d.line + int64(bytes.Count(w[:at], []byte{'\n'})) }
	const double = "put the value in quotes and double every quote inside it"
	switch {
	case what == cutBareQuote:
		return &FileError{Line: lineOf(d.split.at), Problem: "there is a quote inside a value that does not begin with one", Fix: double}
	case what == cutAfterQuote:
		problem := "there is text after a closing quote"
		if opened := lineOf(d.split.opening); opened != lineOf(d.split.at) {
			problem += " (the quote was opened on line " + strconv.FormatInt(opened, 10) + ")"
		}
		return &FileError{Line: lineOf(d.split.at), Problem: problem, Fix: double}
	case what == cutUnclosed:
		return &FileError{Line: lineOf(d.split.opening), Problem: "a quote is opened and never closed", Fix: "close it, or " + double}
	case what == cutMore && d.split.open >= 0:
		return &FileError{Line: lineOf(d.split.open), Problem: "a quote is opened and not closed within 1 MiB", Fix: "close it, or " + double}
	case bytes.Count(w, []byte{'\r'}) > bytes.Count(w, []byte{'\n'})+1:
		return &FileError{Line: d.line, Problem: "a record is longer than 1 MiB and holds carriage returns alone", Fix: "save the file with LF or CRLF line ends"}
	}
	return &FileError{Line: d.line, Problem: "a record is longer than 1 MiB", Fix: "make sure that this is a CSV with one record a line"}
}

// named puts the file's name on an error.
func (d *Reader) named(err error) error {
	if refused, ok := errors.AsType[*FileError](err); ok {
		refused.File = d.name
		return refused
	}
	return &readError{d.name, err}
}

// readError is an error of the source with the file's name.
type readError struct {
	name string
	err  error
}

func (e *readError) Error() string { return "reading " + e.name + ": " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// judge gives a record its outcome. The order of the checks is the contract's:
// columns, encoding, number, required fields.
func (d *Reader) judge(record []byte) (person.NHSNumber, verdict) {
	switch {
	case d.split.count < d.columns:
		return 0, fewer
	case d.split.count > d.columns:
		return 0, more
	case d.split.odd != 0 && !utf8.Valid(record):
		return 0, noUTF8
	case d.split.odd != 0 && bytes.IndexByte(record, 0) >= 0:
		return 0, noText
	}
	number, err := person.ParseNHSNumber(d.split.value(record, d.number))
	if err != nil {
		return 0, numberVerdict(err)
	}
	if !d.only.holds(number) {
		return 0, otherRange
	}
	for i, k := range d.required {
		if value := d.split.value(record, k); len(value) == 0 || value[0] <= ' ' || value[0] >= utf8.RuneSelf {
			if len(bytes.TrimSpace(value)) == 0 {
				return 0, firstRequired + verdict(i)
			}
		}
	}
	return number, sendable
}

// explain says in words why the record just split is invalid.
func (d *Reader) explain(v verdict) string {
	if v != fewer && v != more {
		return d.reasons[v].Words
	}
	d.words = strconv.AppendInt(d.words[:0], int64(d.split.count), 10)
	if d.split.count == 1 {
		d.words = append(d.words, " value where the header has "...)
	} else {
		d.words = append(d.words, " values where the header has "...)
	}
	return string(strconv.AppendInt(d.words, int64(d.columns), 10))
}

// maxFound is how many bytes of a bad number are shown.
const maxFound = 64

// found is the number of an invalid record as it stood, for the report: trimmed, in
// UTF-8 whatever it was, and short.
func (d *Reader) found(record []byte) []byte {
	if d.number >= d.split.count {
		return nil
	}
	text := bytes.TrimSpace(d.split.value(record, d.number))
	d.shown = d.shown[:0]
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == 0 {
			r = utf8.RuneError
		}
		text = text[size:]
		if len(d.shown)+utf8.RuneLen(r) > maxFound {
			break
		}
		d.shown = utf8.AppendRune(d.shown, r)
	}
	return d.shown
}
