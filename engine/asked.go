package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cohort/ingest/person"
)

// Asked returns the limits that a sink sets for every record with a number of fields: the service's own, and the size
// of a request with that message alone. The reader of the cohort applies them, so that a record beyond them is
// invalid and no other record is affected.
func Asked(sink Sink, limits Limits, fields int) []person.Limit {
	asks := slices.Clone(AsksOf(sink))
	r, ok := sink.(Routed)
	if !ok || r.Routes() == 1 {
		return append(asks, room(sink, limits, fields, 0))
	}
	for route := range r.Routes() {
		asks = append(asks, room(sink, limits, fields, uint8(route)))
		asks[len(asks)-1].Route = route + 1
	}
	return asks
}

// AsksOf returns the service's own limits for a message.
func AsksOf(sink Sink) []person.Limit {
	if examiner, ok := sink.(Examiner); ok {
		return examiner.Asks()
	}
	return nil
}

// mostEscape is the most bytes that one byte of a field can become in a message: a control character in JSON. A CSV
// file doubles a quote, and puts two around the value.
const mostEscape = 6

// room limits the size of a request with one message. It renders only records that are large themselves. Blank fields
// may add or remove constant parts of a message. So a message with all fields and one with none contain, together,
// every constant part.
func room(sink Sink, limits Limits, fields int, route uint8) person.Limit {
	some := RunID{}.References().Message(1) // all have the same length
	around := len(sink.AppendTail(sink.AppendHead(nil, some, route))) + len(SeparatorOf(sink))
	size := func(fields []string) int {
		return around + len(sink.AppendMessage(nil, some, &person.Recipient{Fields: fields, Route: route}))
	}
	each := func(text string) int { return size(slices.Repeat([]string{text}, fields)) }
	constant := each("") + each("x")
	return person.Limit{
		Code:  person.CodeTooLong,
		Words: fmt.Sprintf("the message makes a request of more than %d bytes", limits.Bytes),
		Keeps: func(fields []string) bool { return size(fields) <= limits.Bytes },
		Least: leastAbove(limits.Bytes, constant, mostEscape*(each("xx")-each("x"))),
	}
}

// leastAbove returns the least number of field bytes that make a text longer than most. The text has constant bytes,
// and each field byte several times.
func leastAbove(most, constant, times int) int {
	switch {
	case constant > most:
		return 0
	case times == 0:
		return math.MaxInt
	}
	return (most-constant)/times + 1
}

// Unkept returns the first limit that a recipient's fields exceed; nil when there is none.
func Unkept(asks []person.Limit, p *person.Recipient) *person.Limit {
	if len(asks) == 0 {
		return nil
	}
	bytes := 0
	for _, f := range p.Fields {
		bytes += len(f)
	}
	for i := range asks {
		if l := &asks[i]; bytes >= l.Least && l.IsOf(p.Route) && !l.Keeps(p.Fields) {
			return l
		}
	}
	return nil
}

// LeastAbove returns the least number of bytes of all fields that make the rendered text longer than most.
func (t Template) LeastAbove(most int) int {
	constant, times := 0, 0
	for _, s := range t.segments {
		constant += len(s.plain)
		if s.field >= 0 {
			times++
		}
	}
	return leastAbove(most, constant, times)
}

// Literal returns the text without the fields.
func (t Template) Literal() string {
	var b strings.Builder
	for _, s := range t.segments {
		b.WriteString(s.plain)
	}
	return b.String()
}

// UnfitError says that the service would refuse the message of one record. It is a defect: Asked should have made the
// record invalid.
type UnfitError struct {
	Row    int64
	Code   string
	Reason string // in words, without personal data
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("record %d should have been invalid (%s: %s), and was taken for one that can be sent; "+
		"this is a defect of cohort", e.Row, e.Code, e.Reason)
}
