package csv

import (
	"math/bits"

	"cohort/ingest/format"
)

// cut is the finding of a splitter at the start of its window.
type cut uint8

const (
	cutRecord     cut = iota // a whole record
	cutBlank                 // an empty line, which is no record
	cutMore                  // the window ends before the record does
	cutEnd                   // nothing is left of the file
	cutBareQuote             // a quote inside a value that does not begin with one
	cutAfterQuote            // text between a closing quote and the next delimiter or line end
	cutUnclosed              // the file ends inside quotes
)

// splitter cuts records of RFC 4180 out of a window of bytes, exactly as encoding/csv does
// with FieldsPerRecord -1 and neither LazyQuotes nor TrimLeadingSpace. There is one
// difference: ="…", which spreadsheets write to keep a value as text, is the value in the
// quotes. A splitter reads nothing and keeps nothing between records, so several can work on
// different chunks of one file. One goroutine at a time may use it.
type splitter struct {
	values  format.Values
	open    int // after cutMore: where the open quote stands, or -1
	at      int // after an error: where it shows
	opening int // after cutAfterQuote and cutUnclosed: where the quote was opened
}

// newSplitter makes a splitter that stores the places of the first values of a record, and
// counts the others. See format.Format for the delimiters that are allowed.
func newSplitter(comma byte, places int) splitter {
	return splitter{values: format.Values{Comma: comma, Spans: make([]format.Span, places)}}
}

// next finds the record at the start of w and returns its length in bytes, with its line end.
// last says that the file ends where w ends. After cutMore the caller calls again with the
// same bytes and more behind them. Doubling the window each time keeps that linear.
func (s *splitter) next(w []byte, last bool) (int, cut) {
	s.values.Count, s.values.Breaks, s.open = 0, 0, -1
	if len(w) == 0 {
		if last {
			return 0, cutEnd
		}
		return 0, cutMore
	}
	switch {
	case w[0] == '\n':
		s.values.Breaks = 1
		return 1, cutBlank
	case w[0] == '\r' && len(w) == 1 && last: // encoding/csv drops a CR at the end of the file
		return 1, cutBlank
	case w[0] == '\r' && len(w) > 1 && w[1] == '\n':
		s.values.Breaks = 1
		return 2, cutBlank
	}
	return s.record(w, last)
}

// record goes from one delimiter, quote or line feed to the next.
func (s *splitter) record(w []byte, last bool) (int, cut) {
	spans, count, comma := s.values.Spans, 0, s.values.Comma
	commas := uint64(comma) * lowBits
	add := func(start, end int, folded bool) {
		if count < len(spans) {
			spans[count] = format.Span{Start: int32(start), End: int32(end), Folded: folded}
		}
		count++
	}
	finish := func(n, feeds int) (int, cut) {
		s.values.Count = count
		s.values.Breaks += feeds
		return n, cutRecord
	}
	start := 0 // the first byte of the value
	from := 0  // the first byte that has not been dealt with
	open := -1 // the quote that is open
	folded := false
	for i := 0; i < len(w); i += stride {
		var m uint64 // a bit for each byte that is to be looked at
		if i+stride <= len(w) {
			m = marks((*[stride]byte)(w[i:]), commas)
		} else {
			m = lastMarks(w[i:], commas)
		}
		for ; m != 0; m &= m - 1 {
			p := i + bits.TrailingZeros64(m)
			if p < from {
				continue
			}
			c := w[p]
			switch {
			case open >= 0: // the value goes on until its quote is closed
				if c != '"' {
					folded = folded || c == '\n'
					if c == '\n' {
						s.values.Breaks++
					}
					continue
				}
				rest := w[p+1:]
				switch {
				case !last && (len(rest) == 0 || len(rest) == 1 && rest[0] == '\r'):
					return 0, cutMore
				case len(rest) > 0 && rest[0] == '"':
					folded, from = true, p+2
					continue
				}
				add(open+1, p, folded)
				switch {
				case len(rest) == 0:
					return finish(p+1, 0)
				case rest[0] == comma:
					start, from, open = p+2, p+2, -1
				case rest[0] == '\n':
					return finish(p+2, 1)
				case rest[0] == '\r' && len(rest) == 1:
					return finish(p+2, 0)
				case rest[0] == '\r' && rest[1] == '\n':
					return finish(p+3, 1)
				default:
					s.at, s.opening = p+1, open
					return 0, cutAfterQuote
				}
			case c == comma:
				add(start, p, false)
				start = p + 1
			case c == '\n':
				add(start, trimCR(w, start, p), false)
				return finish(p+1, 1)
			case p != start && (p != start+1 || w[start] != '='):
				s.at = p
				return 0, cutBareQuote
			default:
				open, folded = p, false
			}
		}
	}
	switch {
	case open >= 0 && last:
		s.at, s.opening = open, open
		return 0, cutUnclosed
	case !last:
		s.open = open
		return 0, cutMore
	}
	add(start, trimCR(w, start, len(w)), false)
	return finish(len(w), 0)
}

// trimCR returns end, or end-1 when a carriage return stands before it.
func trimCR(w []byte, start, end int) int {
	if end > start && w[end-1] == '\r' {
		return end - 1
	}
	return end
}

// AllValues finds the places of all values of a record, where some were only counted.
func AllValues(v *format.Values, record []byte) *format.Values {
	all := newSplitter(v.Comma, v.Count)
	all.next(record, true)
	return &all.values
}
