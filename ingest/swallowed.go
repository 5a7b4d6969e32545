package ingest

import (
	"bytes"
	"fmt"
	"slices"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// swallowed refuses a file when a line inside the current record would be a record itself: it
// has as many delimiters as a record, and an NHS number in the right place. Then two stray
// quotes have made one value of several people's records. Some people would vanish, and their
// numbers would appear in a message to somebody else. Options.Multiline allows such lines. The
// record starts on line.
func (r *rules) swallowed(s *format.Values, record []byte, line int64) *format.FileError {
	comma, opened, from := []byte{s.Comma}, line, 0
	for text := range bytes.Lines(record) {
		start, end := from, from+len(text)
		from, line = end, line+1
		if bytes.Count(text, comma) != r.columns-1 {
			continue
		}
		for range r.number {
			start += bytes.IndexByte(record[start:], s.Comma) + 1
		}
		number, _, _ := bytes.Cut(record[start:end], comma)
		if _, err := person.ParseNHSNumber(number); err != nil || r.mayStand(s, record, start, start+len(number)) {
			continue
		}
		return &format.FileError{
			Line:    line - 1,
			Problem: fmt.Sprintf("this line would be a record by itself, but it is inside quotes of the record that starts on line %d", opened),
			Fix:     "remove the stray quotes; if a column may hold such lines, name it under cohort.multiline",
		}
	}
	return nil
}

// mayStand reports whether the number at record[from:to] belongs there: it is the record's own,
// or it is in a multiline column.
func (r *rules) mayStand(s *format.Values, record []byte, from, to int) bool {
	within := func(k int) bool {
		return k < s.Count && int(s.Spans[k].Start) < to && from < int(s.Spans[k].End)
	}
	if within(r.number) {
		own := record[s.Spans[r.number].Start:s.Spans[r.number].End]
		return bytes.IndexByte(own, '\n') < 0
	}
	return slices.ContainsFunc(r.multiline, within)
}
