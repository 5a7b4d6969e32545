package ingest

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// checker takes records from a source, gives each its outcome, and adds it to a batch and to
// the tally. Every goroutine that parses has a checker of its own.
type checker struct {
	rules rules
	file  uint16 // the index of the current file
	model string // the record that decides how many values a record has
	tally *Summary
	bare  *atomic.Bool // fields are left empty; shared by all checkers of a Reader

	// Memory for one record at a time.
	words []byte
	shown []byte
	text  []byte   // the texts of the fields, one behind the other
	field []string // each of them
}

// fill takes records until the batch is full or the source returns an error, io.EOF at its
// end. Rows are numbered later.
func (c *checker) fill(b *batch, from format.Source) error {
	s := from.Values()
	for !b.full() {
		record, line, err := from.Next()
		if err != nil {
			return err
		}
		if s.Breaks > 1 || s.Breaks == 1 && record[len(record)-1] != '\n' {
			if refused := c.rules.swallowed(s, record, line); refused != nil {
				return refused
			}
		}
		c.tally.Records++
		b.begin(c.file, line)
		if k := c.rules.reference; k >= 0 && k < s.Count {
			b.reference(clean(s.Value(record, k)))
		}
		j := c.rules.judge(s, record)
		if j.verdict == sendable && len(c.rules.routes) > 0 {
			b.route[b.rows], j.verdict = c.rules.route(s, record, j.withdrawn)
		}
		if j.verdict == sendable && !j.withdrawn && !c.rules.listing { // nothing is sent to a withdrawn person
			j.verdict = c.limit(s, record, b.route[b.rows])
		}
		if j.verdict != sendable {
			reason := &c.tally.Reasons[j.verdict]
			reason.add(c.file, line)
			b.refuse(c.found(s, record), reason.Code, c.explain(s, j.verdict))
			continue
		}
		c.tally.Sendable++
		if j.number.IsTest() {
			c.tally.Test++
		}
		if c.rules.mapping.order >= 0 {
			b.order[b.rows] = j.order
		}
		if j.withdrawn {
			b.gone.set(b.rows)
		}
		if j.nearly {
			c.tally.Nearly++
		}
		moved := c.rules.listing && s.Count != c.rules.columns
		for i, k := range c.rules.fields {
			if c.bare.Load() {
				break
			}
			if moved { // nobody knows which value is the field's
				b.field(i, nil)
			} else {
				b.field(i, c.rules.dress(i, s.Value(record, k)))
			}
		}
		for i, k := range c.rules.kept {
			if c.bare.Load() {
				break
			}
			b.field(len(c.rules.fields)+i, s.Value(record, k))
		}
		b.accept(j.number)
	}
	return nil
}

// limit checks the fields of a record, as a message would carry them: for characters that no
// message may hold, and for the service's limits on its route.
func (c *checker) limit(s *format.Values, record []byte, route uint8) verdict {
	if !s.Plain || c.rules.derived >= 0 { // a derived value is in no record
		for _, k := range c.rules.fields {
			if person.HasControl(s.Value(record, k)) {
				return controls
			}
		}
	}
	bytes := 0 // at most: a field gets longer only by a default or by the space in a postcode
	for i, k := range c.rules.fields {
		bytes += max(int(s.Spans[k].End-s.Spans[k].Start)+1, len(c.rules.defaults[i]))
	}
	if len(c.rules.limits) == 0 || bytes < c.rules.asked {
		return sendable
	}
	c.text, c.field = c.text[:0], c.field[:0]
	for i, k := range c.rules.fields {
		c.text = append(c.text, c.rules.dress(i, s.Value(record, k))...)
	}
	all := string(c.text)
	for i, k := range c.rules.fields {
		n := len(c.rules.dress(i, s.Value(record, k)))
		c.field, all = append(c.field, all[:n]), all[n:]
	}
	for i := range c.rules.limits {
		if l := &c.rules.limits[i]; bytes >= l.Least && l.IsOf(route) && !l.Keeps(c.field) {
			return c.rules.firstLimit() + verdict(i)
		}
	}
	return sendable
}

// explain is the reason in words why the current record is invalid.
func (c *checker) explain(s *format.Values, v verdict) string {
	if v != fewer && v != more {
		return c.tally.Reasons[v].Words
	}
	c.words = strconv.AppendInt(c.words[:0], int64(s.Count), 10)
	if s.Count == 1 {
		c.words = append(c.words, " value where "...)
	} else {
		c.words = append(c.words, " values where "...)
	}
	c.words = append(c.words, c.model...)
	c.words = append(c.words, " has "...)
	return string(strconv.AppendInt(c.words, int64(c.rules.columns), 10))
}

// maxFound is the number of bytes that are shown of a bad number.
const maxFound = 64

// found is the NHS number of an invalid record as the file has it, for the report: trimmed,
// in valid UTF-8, and at most maxFound bytes.
func (c *checker) found(s *format.Values, record []byte) []byte {
	if c.rules.number >= s.Count {
		return nil
	}
	text := bytes.TrimSpace(s.Value(record, c.rules.number))
	c.shown = c.shown[:0]
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == 0 {
			r = utf8.RuneError
		}
		text = text[size:]
		if len(c.shown)+utf8.RuneLen(r) > maxFound {
			break
		}
		c.shown = utf8.AppendRune(c.shown, r)
	}
	return c.shown
}

// clean is a message reference for the report: trimmed, and in valid UTF-8.
func clean(reference []byte) []byte {
	reference = bytes.TrimSpace(reference)
	if !utf8.Valid(reference) || bytes.IndexByte(reference, 0) >= 0 {
		return bytes.ReplaceAll(bytes.ToValidUTF8(reference, []byte("\ufffd")), []byte{0}, []byte("\ufffd"))
	}
	return reference
}
