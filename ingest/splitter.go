package ingest

import (
	"bytes"
	"encoding/binary"
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
	quoted     bool
	doubled    bool // holds doubled quotes
}

// splitter cuts records of RFC 4180 out of a window of bytes, to the letter as
// encoding/csv does with the same delimiter, FieldsPerRecord -1 and neither LazyQuotes
// nor TrimLeadingSpace. It reads nothing, keeps nothing between records and knows
// nothing of the file around the window, so that several can work on different
// chunks of one file. One goroutine at a time.
type splitter struct {
	comma   byte   // the delimiter: ASCII, neither quote, line end, NUL, letter nor digit
	spans   []span // the first len(spans) values of the record; the rest are only counted
	count   int    // values in the record
	breaks  int    // line feeds in the record, its own end included
	inner   bool   // whether one of those line feeds is inside quotes
	feeds   uint64 // 0 when no line feed has been seen inside quotes
	odd     uint64 // 0 when the record is known to be ASCII without NUL bytes
	open    int    // after cutMore: where the open quote stands, or -1
	at      int    // after an error: where it shows
	opening int    // after cutAfterQuote and cutUnclosed: where the quote was opened
	scratch []byte // an unescaped value
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
	feeds    = '\n' * lowBits
	quotes   = '"' * lowBits
	fillers  = filler * lowBits

	// filler stands behind the end of the file. It is no delimiter and, the last bit
	// apart, like none, so that it leaves no mark.
	filler = '0'
)

// next finds the record at the start of w and returns how many bytes it takes, its
// line end included. last says that the file ends where w ends. After cutMore the
// caller comes back with the same bytes and more behind them; doubling the window
// each time keeps the whole linear.
func (s *splitter) next(w []byte, last bool) (int, cut) {
	s.count, s.breaks, s.inner, s.feeds, s.open, s.odd = 0, 0, false, 0, -1, 0
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

func (s *splitter) record(w []byte, last bool) (int, cut) {
	spans, count, odd := s.spans, 0, uint64(0)
	comma := s.comma
	commas := uint64(comma) * lowBits
	add := func(v span) {
		if count < len(spans) {
			spans[count] = v
		}
		count++
	}
	start := 0 // the first byte of the value
scan:
	for i := 0; i < len(w); {
		x := word(w, i)
		c, f, q := x^commas, x^feeds, x^quotes
		// A high bit marks a zero byte of c, f or q; a mark above another may be
		// false, which the switch below sorts out.
		m := ((c-lowBits)&^c | (f-lowBits)&^f | (q-lowBits)&^q) & highBits
		odd |= x | (x-lowBits)&^x
		for m != 0 {
			p := i + bits.TrailingZeros64(m)>>3
			m &= m - 1
			switch w[p] {
			case comma:
				add(span{start: int32(start), end: int32(p)})
				start = p + 1
			case '\n':
				add(span{start: int32(start), end: int32(trimCR(w, start, p))})
				return s.finish(w, p+1, count, odd)
			case '"':
				if p != start {
					s.at = p
					return 0, cutBareQuote
				}
				v, next, ended, what := s.quoted(w, p, last)
				if what != cutRecord {
					return 0, what
				}
				add(v)
				odd |= s.odd
				if ended {
					return s.finish(w, next, count, odd)
				}
				i, start = next, next
				continue scan
			}
		}
		i += 8
	}
	if !last {
		return 0, cutMore
	}
	add(span{start: int32(start), end: int32(trimCR(w, start, len(w)))})
	return s.finish(w, len(w), count, odd)
}

// word returns the eight bytes of w from i on, filled up at the end.
func word(w []byte, i int) uint64 {
	if i+8 <= len(w) {
		return binary.LittleEndian.Uint64(w[i:])
	}
	x := uint64(fillers)
	for k, c := range w[i:] {
		x ^= uint64(c^filler) << (8 * k)
	}
	return x
}

// quoted reads the value whose opening quote is w[p]. It returns the value, where the
// next value or record starts, and whether the record ended with this value.
func (s *splitter) quoted(w []byte, p int, last bool) (v span, next int, ended bool, what cut) {
	v = span{start: int32(p + 1), quoted: true}
	for q := p + 1; ; {
		q = s.closing(w, q)
		if q == len(w) {
			if last {
				s.at, s.opening = p, p
				return v, 0, false, cutUnclosed
			}
			s.open = p
			return v, 0, false, cutMore
		}
		v.end = int32(q)
		q++
		rest := w[q:]
		switch {
		case len(rest) == 0 && !last, len(rest) == 1 && rest[0] == '\r' && !last:
			return v, 0, false, cutMore
		case len(rest) == 0:
			return v, q, true, cutRecord
		case rest[0] == '"':
			v.doubled = true
			q++
		case rest[0] == s.comma:
			return v, q + 1, false, cutRecord
		case rest[0] == '\n':
			return v, q + 1, true, cutRecord
		case rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n'):
			return v, q + min(len(rest), 2), true, cutRecord
		default:
			s.at, s.opening = q, p
			return v, 0, false, cutAfterQuote
		}
	}
}

// closing finds the next quote from q on, or the end of w.
func (s *splitter) closing(w []byte, q int) int {
	for odd, seen := s.odd, s.feeds; q < len(w); q += 8 {
		x := word(w, q)
		c, f := x^quotes, x^feeds
		odd |= x | (x-lowBits)&^x
		s.odd = odd
		f = (f - lowBits) &^ f & highBits
		if m := (c - lowBits) &^ c & highBits; m != 0 { // the lowest mark is always true
			s.feeds = seen | f&(m&-m-1) // of the line feeds only those before the quote
			return q + bits.TrailingZeros64(m)>>3
		}
		seen |= f
		s.feeds = seen
	}
	return len(w)
}

// finish ends the record w[:n] and counts its lines.
func (s *splitter) finish(w []byte, n, count int, odd uint64) (int, cut) {
	s.count, s.odd = count, odd&highBits
	ending := 0
	if w[n-1] == '\n' {
		ending = 1
	}
	s.breaks = ending
	if s.feeds != 0 {
		s.breaks = bytes.Count(w[:n], []byte{'\n'})
		s.inner = s.breaks > ending
	}
	return n, cutRecord
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
	if v.quoted && (v.doubled || s.inner) {
		return s.unescape(w[v.start:v.end])
	}
	return w[v.start:v.end]
}

func (s *splitter) unescape(raw []byte) []byte {
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
