package ingest

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"cohort/ingest/person"
)

// rules are what the options ask of every record, and where one file has what they
// ask about.
type rules struct {
	mapping
	garbled  verdict // what bytes that are no text are called in this file's encoding
	only     Range
	types    []Type
	defaults [][]byte // of each field; nil for none
	trimmed  []bool   // of each field: carried without white space around it
	dressed  bool     // whether any field has a default or is trimmed
	values   []string // of the withdrawn column
	order    order
}

func newRules(o Options) rules {
	r := rules{only: o.Only, values: o.Withdrawn.Values, defaults: make([][]byte, len(o.Fields)), trimmed: make([]bool, len(o.Fields))}
	for _, field := range sortedKeys(o.Types) {
		r.types = append(r.types, o.Types[field])
	}
	for i, field := range o.Fields {
		if value, has := o.Defaults[field]; has {
			r.defaults[i] = []byte(value)
			r.dressed = true
		}
		if _, typed := o.Types[field]; typed {
			r.trimmed[i] = true
			r.dressed = true
		}
	}
	return r
}

// judgement is what the rules find in a record.
type judgement struct {
	number    person.NHSNumber
	verdict   verdict
	order     int64
	withdrawn bool
}

// judge gives a record its outcome. The order of the checks is the contract's:
// columns, encoding, number, required fields, types.
func (r *rules) judge(s *splitter, record []byte) judgement {
	fail := func(v verdict) judgement { return judgement{verdict: v} }
	switch {
	case s.count < r.columns:
		return fail(fewer)
	case s.count > r.columns:
		return fail(more)
	case s.odd != 0 && !utf8.Valid(record):
		return fail(r.garbled)
	case s.odd != 0 && bytes.IndexByte(record, 0) >= 0:
		return fail(noText)
	}
	number, err := person.ParseNHSNumber(s.value(record, r.number))
	if err != nil {
		return fail(numberVerdict(err))
	}
	if !r.only.holds(number) {
		return fail(otherRange)
	}
	for i, k := range r.required {
		if blank(s.value(record, k)) {
			return fail(firstRequired + verdict(i))
		}
	}
	for i, k := range r.typed {
		if value := bytes.TrimSpace(s.value(record, k)); len(value) > 0 && !types[r.types[i]].holds(value) {
			return fail(firstRequired + verdict(len(r.required)+i))
		}
	}
	j := judgement{number: number, verdict: sendable}
	if r.mapping.order >= 0 {
		var ok bool
		if j.order, ok = r.order.read(bytes.TrimSpace(s.value(record, r.mapping.order))); !ok {
			return fail(firstRequired + verdict(len(r.required)+len(r.typed)))
		}
	}
	if r.withdrawn >= 0 {
		value := bytes.TrimSpace(s.value(record, r.withdrawn))
		for _, v := range r.values {
			j.withdrawn = j.withdrawn || string(value) == v
		}
	}
	return j
}

// dress gives a field's value its default, and a typed one its plain form.
func (r *rules) dress(field int, value []byte) []byte {
	if r.defaults[field] != nil && blank(value) {
		return r.defaults[field]
	}
	if r.trimmed[field] {
		return bytes.TrimSpace(value)
	}
	return value
}

// blank says whether a value is empty or white space.
func blank(value []byte) bool {
	return len(value) == 0 || (value[0] <= ' ' || value[0] >= utf8.RuneSelf) && len(bytes.TrimSpace(value)) == 0
}

// explain says in words why the record just split is invalid.
func (d *Reader) explain(s *splitter, v verdict) string {
	if v != fewer && v != more {
		return d.reasons[v].Words
	}
	d.words = strconv.AppendInt(d.words[:0], int64(s.count), 10)
	if s.count == 1 {
		d.words = append(d.words, " value where "...)
	} else {
		d.words = append(d.words, " values where "...)
	}
	d.words = append(d.words, d.model...)
	d.words = append(d.words, " has "...)
	return string(strconv.AppendInt(d.words, int64(d.rules.columns), 10))
}

// maxFound is how many bytes of a bad number are shown.
const maxFound = 64

// found is the number of an invalid record as it stood, for the report: trimmed, in
// UTF-8 whatever it was, and short.
func (d *Reader) found(s *splitter, record []byte) []byte {
	if d.rules.number >= s.count {
		return nil
	}
	text := bytes.TrimSpace(s.value(record, d.rules.number))
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

// clean is a message reference as a report can hold it: trimmed and in UTF-8.
func clean(reference []byte) []byte {
	reference = bytes.TrimSpace(reference)
	if !utf8.Valid(reference) || bytes.IndexByte(reference, 0) >= 0 {
		return bytes.ReplaceAll(bytes.ToValidUTF8(reference, []byte("\ufffd")), []byte{0}, []byte("\ufffd"))
	}
	return reference
}
