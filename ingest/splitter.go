package ingest

import (
	"math/bits"
)

// cut says what a splitter found at the start of its window.
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

// span is where one value stands in the window, without its surrounding quotes.
type span struct {
	start, end int32
	folded     bool // holds doubled quotes or line feeds, so that it reads otherwise than it stands
}

// splitter cuts records of RFC 4180 out of a window of bytes, to the letter as
// encoding/csv does with the same delimiter, FieldsPerRecord -1 and neither LazyQuotes
// nor TrimLeadingSpace. One thing it takes beside: ="…" is how a spreadsheet keeps a value
// as text, and the value is what stands in the quotes. It reads nothing, keeps nothing between records and knows
// nothing of the file around the window, so that several can work on different
// chunks of one file. One goroutine at a time.
type splitter struct {
	comma   byte   // the delimiter: ASCII, neither quote, line end, NUL, letter nor digit
	spans   []span // the first len(spans) values of the record; the rest are only counted
	count   int    // values in the record
	breaks  int    // line feeds in the record, its own end included
	open    int    // after cutMore: where the open quote stands, or -1
	at      int    // after an error: where it shows
	opening int    // after cutAfterQuote and cutUnclosed: where the quote was opened
	textual bool   // whether all that is split is known to be UTF-8 without NUL bytes
	sound   bool   // whether all that is split is known to hold no U+FFFD
	scratch []byte // an unescaped value
	derived []byte // the value that stands in no record: see Derived
}

// next finds the record at the start of w and returns how many bytes it takes, its
// line end included. last says that the file ends where w ends. After cutMore the
// caller comes back with the same bytes and more behind them; doubling the window
// each time keeps the whole linear.
func (s *splitter) next(w []byte, last bool) (int, cut) {
	s.count, s.breaks, s.open = 0, 0, -1
	if len(w) == 0 {
		if last {
			return 0, cutEnd
		}
		return 0, cutMore
	}
	switch {
	case w[0] == '\n':
		s.breaks = 1
		return 1, cutBlank
	case w[0] == '\r' && len(w) == 1 && last: // encoding/csv drops a CR at the end of the file
		return 1, cutBlank
	case w[0] == '\r' && len(w) > 1 && w[1] == '\n':
		s.breaks = 1
		return 2, cutBlank
	}
	return s.record(w, last)
}

// record goes from one delimiter, quote or line feed to the next.
func (s *splitter) record(w []byte, last bool) (int, cut) {
	spans, count, comma := s.spans, 0, s.comma
	commas := uint64(comma) * lowBits
	add := func(start, end int, folded bool) {
		if count < len(spans) {
			spans[count] = span{int32(start), int32(end), folded}
		}
		count++
	}
	finish := func(n, feeds int) (int, cut) {
		s.count = count
		s.breaks += feeds
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
						s.breaks++
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

// value returns the k-th value of the record just cut out of w, unescaped: doubled
// quotes are one, and a CRLF inside quotes is LF. It holds until the next call.
func (s *splitter) value(w []byte, k int) []byte {
	v := &s.spans[k]
	w = w[v.start:v.end]
	if v.folded {
		w = s.unescape(w)
	}
	return w
}

// unescape is the slow way of value. What reads otherwise than it stands and yet is nothing
// is the derived value.
func (s *splitter) unescape(raw []byte) []byte {
	if len(raw) == 0 {
		return s.derived
	}
	s.scratch = s.scratch[:0]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if i+1 < len(raw) && (c == '"' || c == '\r' && raw[i+1] == '\n') {
			i++ // the second quote, or the line feed
			c = raw[i]
		}
		s.scratch = append(s.scratch, c)
	}
	return s.scratch
}
