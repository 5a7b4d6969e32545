package ingest

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"cohort/ingest/format"
	"cohort/ingest/format/csv"
	"cohort/ingest/person"
	"cohort/ingest/value"
)

// rules are the demands of the options on every record, and the places of the columns in the
// current file.
type rules struct {
	mapping
	garbled  verdict // the verdict on bytes that are not text in the file's encoding
	only     Range
	least    int // address lines that must not be empty
	types    []func([]byte) bool
	defaults [][]byte     // by field; nil for none
	kinds    []value.Type // by field: a typed value is carried without white space around it
	postcode [8]byte      // memory for the last one
	values   []string     // of the withdrawn column
	order    value.Order
	routes   []route
	limits   []person.Limit
	asked    int                                          // records with fewer bytes of fields keep to all limits
	value    func(from []byte, n person.NHSNumber) string // of the derived column; nil without one
	listing  bool                                         // the file is a list: only the number matters, also in a malformed row

	succession *succession // nil without superseded numbers
}

func newRules(o Options) rules {
	r := rules{
		only: o.Only, least: o.Address.Least, limits: o.Limits, value: o.Derived.Value, listing: o.listing, values: o.Withdrawn.Values,
		routes: newRoutes(o), defaults: make([][]byte, len(o.Fields)), kinds: make([]value.Type, len(o.Fields)),
	}
	for _, field := range sortedKeys(o.Types) {
		r.types = append(r.types, o.Types[field].Check())
	}
	for i, limit := range o.Limits {
		if i == 0 || limit.Least < r.asked {
			r.asked = limit.Least
		}
	}
	for i, field := range o.Fields {
		if value, has := o.Defaults[field]; has {
			r.defaults[i] = []byte(value)
		}
		r.kinds[i] = o.Types[field]
	}
	return r
}

// judgement is the result of the rules for one record.
type judgement struct {
	number    person.NHSNumber
	verdict   verdict
	order     int64
	withdrawn bool
	nearly    bool // it would be withdrawn if case did not matter
}

// judge gives a record its outcome. The order of the checks is the contract's: columns,
// encoding, number, required fields, types, and then the address.
func (r *rules) judge(s *format.Values, record []byte) (j judgement) {
	fail := func(v verdict) judgement { return judgement{verdict: v} }
	if r.listing {
		return r.judgeListed(s, record)
	}
	switch {
	case s.Count < r.columns:
		return fail(fewer)
	case s.Count > r.columns:
		return fail(more)
	case !s.Textual:
		if valid, nul, _ := format.CheckText(record); !valid {
			return fail(r.garbled)
		} else if nul {
			return fail(noText)
		}
	}
	if !s.Sound && r.lost(s, record) {
		return fail(lostText)
	}
	number, err := person.ParseNHSNumber(s.Value(record, r.number))
	if err != nil {
		return fail(numberVerdict(err))
	}
	if r.successor >= 0 {
		own := number
		if value := s.Value(record, r.successor); !blank(value) {
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
	if r.value != nil {
		r.derive(s, record, number)
	}
	for i, k := range r.required {
		if blank(s.Value(record, k)) {
			return fail(firstRequired + verdict(i))
		}
	}
	for i, k := range r.typed {
		if text := trim(s.Value(record, k)); len(text) > 0 && !r.types[i](text) {
			v := firstRequired + verdict(len(r.required)+2*i)
			if value.IsMoment(text) {
				v++
			}
			return fail(v)
		}
	}
	if v := r.judgeAddress(s, record); v != sendable {
		return fail(v)
	}
	j.number, j.verdict = number, sendable
	if r.mapping.order >= 0 {
		var ok bool
		if j.order, ok = r.order.Read(trim(s.Value(record, r.mapping.order))); !ok {
			return fail(r.firstLimit() - 1)
		}
	}
	if r.withdrawn >= 0 {
		value := trim(s.Value(record, r.withdrawn))
		for _, v := range r.values {
			j.withdrawn = j.withdrawn || string(value) == v
			j.nearly = j.nearly || len(value) == len(v) && strings.EqualFold(string(value), v)
		}
		j.nearly = j.nearly && !j.withdrawn
	}
	return j
}

// lost reports whether an earlier program lost characters of a value for the message. Such a
// record is invalid, like one with bytes that are not text: nobody knows the lost characters.
// In columns that no message uses they do no harm.
func (r *rules) lost(s *format.Values, record []byte) bool {
	return bytes.Contains(record, format.LostMark) && slices.ContainsFunc(r.fields, func(k int) bool {
		return k < s.Count && bytes.Contains(s.Value(record, k), format.LostMark)
	})
}

// firstLimit is the verdict of the first of the service's limits. Before it is the order's
// verdict; behind the limits come those of the routes.
func (r *rules) firstLimit() verdict {
	return firstRequired + verdict(len(r.required)+2*len(r.typed)+1)
}

// judgeAddress checks the lines of a postal address.
func (r *rules) judgeAddress(s *format.Values, record []byte) verdict {
	filled := 0
	for _, k := range r.address {
		value := s.Value(record, k)
		if bytes.ContainsFunc(value, breaks) {
			return brokenAddress
		}
		if !blank(value) {
			filled++
		}
	}
	if filled < r.least {
		return shortAddress
	}
	return sendable
}

// breaks reports whether a character ends a line or is a control character.
func breaks(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// zeroedRow is the least that is left of a list's row overwritten with NUL bytes: as many
// bytes as a line end and ten digits.
var zeroedRow = make([]byte, 11)

// judgeListed finds the person that a row of a list names. A malformed row still suppresses
// the person it names. A row of another length may have moved columns: its only number counts.
// With several numbers nobody knows who is meant, or whether the row was two rows. A row with
// control characters may have named somebody, or may have been several rows.
func (r *rules) judgeListed(s *format.Values, record []byte) judgement {
	if bytes.Contains(record, zeroedRow) {
		return judgement{verdict: lostRow}
	}
	var own person.NHSNumber // 0: none
	if r.number < s.Count {
		var err error
		own, err = person.ParseNHSNumber(s.Value(record, r.number))
		missing := errors.Is(err, person.ErrNumberMissing)
		switch {
		case missing && bytes.ContainsFunc(record, person.Stray):
			return judgement{verdict: lostRow}
		case s.Count != r.columns:
		case missing:
			if whole, part := r.numbersIn(s, record); len(whole)+len(part) > 0 {
				return judgement{verdict: strayNumber}
			}
			return judgement{verdict: numberVerdict(err)}
		case err != nil:
			return judgement{verdict: numberVerdict(err)}
		default:
			return judgement{number: own, verdict: sendable}
		}
	}
	whole, part := r.numbersIn(s, record)
	if own == 0 && len(whole) > 0 {
		own = whole[0]
	}
	switch {
	case own != 0 && slices.ContainsFunc(append(whole, part...), func(n person.NHSNumber) bool { return n != own }):
		return judgement{verdict: severalNumbers}
	case own != 0:
		return judgement{number: own, verdict: sendable}
	case s.Count > r.columns:
		return judgement{verdict: more}
	}
	return judgement{verdict: fewer}
}

var (
	startsWithTen = regexp.MustCompile(`^[0-9](?:[ -]?[0-9]){9}`)
	endsWithTen   = regexp.MustCompile(`[0-9](?:[ -]?[0-9]){9}$`)
)

// numbersIn finds the NHS numbers in all columns of a row. whole are those that are a whole
// value. part are those at the start or the end of a value, where a line end may be lost.
func (r *rules) numbersIn(s *format.Values, record []byte) (whole, part []person.NHSNumber) {
	if s.Count > len(s.Spans) { // some values were only counted
		s = csv.AllValues(s, record)
	}
	for k := range s.Count {
		value := s.Value(record, k)
		if number, err := person.ParseNHSNumber(value); err == nil {
			whole = append(whole, number)
			continue
		}
		value = trim(value)
		for _, ten := range [][]byte{startsWithTen.Find(value), endsWithTen.Find(value)} {
			if number, err := person.ParseNHSNumber(ten); err == nil {
				part = append(part, number)
			}
		}
	}
	return whole, part
}

// dress replaces an empty value by the field's default, and writes a typed value plainly.
func (r *rules) dress(field int, text []byte) []byte {
	if r.defaults[field] != nil && blank(text) {
		return r.defaults[field]
	}
	switch r.kinds[field] {
	case "":
		return text
	case value.Postcode:
		if written := value.WrittenPostcode(r.postcode[:0], text); len(written) > 0 {
			return written
		}
	}
	return trim(text)
}

// visible reports whether a byte is printable ASCII, and not a space.
func visible(c byte) bool { return c-'!' <= '~'-'!' }

// trim removes invisible characters at both ends of a value. Most values have none.
func trim(value []byte) []byte {
	if n := len(value); n > 0 && visible(value[0]) && visible(value[n-1]) {
		return value
	}
	return bytes.TrimFunc(value, person.Invisible)
}

// blank reports whether all characters of a value are invisible.
func blank(value []byte) bool {
	return len(value) == 0 || !visible(value[0]) && len(trim(value)) == 0
}
