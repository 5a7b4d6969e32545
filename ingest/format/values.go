package format

import "slices"

// Span is the place of one value in its record, without its surrounding quotes.
type Span struct {
	Start, End int32
	Folded     bool // it holds doubled quotes or line feeds, and must be unescaped
}

// Values gives the places of the values in the bytes of one record. One goroutine at a time
// may use it.
type Values struct {
	Comma   byte   // the delimiter; 0 in a file of columns
	Spans   []Span // the first len(spans) values; the rest are only counted
	Count   int    // values in the record
	Breaks  int    // line feeds in the record, its own end included
	Textual bool   // every record is known to be UTF-8 without NUL bytes
	Sound   bool   // every record is known to hold no U+FFFD
	Plain   bool   // person.HasControl is known to be false for every record
	derived []byte // the value of the span that derive adds
	scratch []byte // an unescaped value
}

// Value returns the k-th value of a record. Doubled quotes become one, and a CRLF inside
// quotes becomes LF. The value is valid until the next call.
func (v *Values) Value(record []byte, k int) []byte {
	s := &v.Spans[k]
	record = record[s.Start:s.End]
	if s.Folded {
		record = v.unescape(record)
	}
	return record
}

// AddDerived makes room, behind the others, for a value that stands in no record.
func (v *Values) AddDerived() { v.Spans = append(slices.Clip(v.Spans), Span{}) }

// SetDerived sets that value for the current record. Its span is empty and folded; no other
// span is both.
func (v *Values) SetDerived(text string) {
	v.derived = append(v.derived[:0], text...)
	v.Spans[len(v.Spans)-1] = Span{Folded: true}
}

// unescape is the slow way of value.
func (v *Values) unescape(raw []byte) []byte {
	if len(raw) == 0 {
		return v.derived
	}
	v.scratch = v.scratch[:0]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if i+1 < len(raw) && (c == '"' || c == '\r' && raw[i+1] == '\n') {
			i++ // the second quote, or the line feed
			c = raw[i]
		}
		v.scratch = append(v.scratch, c)
	}
	return v.scratch
}

// LostMark is U+FFFD, which programs write for a character that they cannot read.
var LostMark = []byte("\ufffd")

// MaxRecord is the most bytes of a record, its line end included.
const MaxRecord = 1 << 20

// BOM is the byte order mark of UTF-8.
const BOM = "\xef\xbb\xbf"
