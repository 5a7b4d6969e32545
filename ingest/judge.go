package ingest

import (
	"bytes"
	"encoding/binary"
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
	listing  bool // nothing but the number is asked for, and a row that is awry may tell it all the same

	succession *succession // nil without superseded numbers
}

func newRules(o Options) rules {
	r := rules{only: o.Only, listing: o.listing, values: o.Withdrawn.Values, defaults: make([][]byte, len(o.Fields)), trimmed: make([]bool, len(o.Fields))}
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
	if r.listing {
		return r.judgeListed(s, record)
	}
	switch {
	case s.count < r.columns:
		return fail(fewer)
	case s.count > r.columns:
		return fail(more)
	case s.odd != 0:
		if valid, nul := textual(record); !valid {
			return fail(r.garbled)
		} else if nul {
			return fail(noText)
		}
	}
	number, err := person.ParseNHSNumber(s.value(record, r.number))
	if err != nil {
		return fail(numberVerdict(err))
	}
	if r.successor >= 0 {
		own := number
		if value := s.value(record, r.successor); !blank(value) {
			if _, err := person.ParseNHSNumber(value); err != nil {
				return fail(badSuccessor)
			}
		}
		verdict := sendable
		if number, verdict = r.succession.of(own); verdict != sendable {
			return fail(verdict)
		}
		if !r.only.holds(own) {
			return fail(otherRange)
		}
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

// judgeListed finds whom a row of a list names. A row with a comma too many, or with bytes
// that are no text in another column, names somebody all the same, and leaving him out is
// what the list is for. In a row of another length the columns may have moved: then the
// only number in it is the one.
func (r *rules) judgeListed(s *splitter, record []byte) judgement {
	if r.number < s.count {
		number, err := person.ParseNHSNumber(s.value(record, r.number))
		if err == nil {
			return judgement{number: number, verdict: sendable}
		}
		if s.count == r.columns {
			return judgement{verdict: numberVerdict(err)}
		}
	}
	found := judgement{verdict: fewer}
	if s.count > r.columns {
		found.verdict = more
	}
	for k := range min(s.count, len(s.spans)) {
		if number, err := person.ParseNHSNumber(s.value(record, k)); err == nil {
			if found.verdict == sendable && found.number != number {
				return judgement{verdict: more}
			}
			found = judgement{number: number, verdict: sendable}
		}
	}
	return found
}

// textual says whether a record is valid UTF-8, and whether it then holds a NUL byte.
// It goes over ASCII eight bytes at a time wherever that stands, unlike utf8.Valid,
// which does so only up to the first letter that is not: many names have one.
func textual(record []byte) (valid, nul bool) {
	zero := uint64(0)
	for i := 0; i < len(record); {
		if i+8 <= len(record) {
			if x := binary.LittleEndian.Uint64(record[i:]); x&highBits == 0 {
				zero |= (x - lowBits) & highBits // in ASCII a byte of 0 alone leaves a mark
				i += 8
				continue
			}
		}
		for end := min(i+8, len(record)); i < end; {
			if c := record[i]; c < utf8.RuneSelf {
				zero |= (uint64(c) - 1) & highBits
				i++
				continue
			}
			r, size := utf8.DecodeRune(record[i:])
			if r == utf8.RuneError && size == 1 {
				return false, false
			}
			i += size
		}
	}
	return true, zero != 0
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
