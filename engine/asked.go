package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cohort/ingest/person"
)

// Asked is what a sink's service asks of every record of so many fields, so that its
// message can go out: what it asks of a message, and that a request has room for it.
// Whoever reads the cohort is to ask it: then a record that does not keep to it is
// invalid, and no other is touched by that.
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

func AsksOf(sink Sink) []person.Limit {
	if examiner, ok := sink.(Examiner); ok {
		return examiner.Asks()
	}
	return nil
}

// mostEscape is how many bytes a byte of a field can become in a message: a control
// character in JSON. A CSV file doubles a quote, and puts two around the value.
const mostEscape = 6

// room asks that a request with a record's message alone, which goes by a route, is not too large. It renders
// only records that are large themselves. What a message consists of is constant but for
// the fields, and for what is left out, or put in, where fields are blank: so one with
// all fields and one with none hold together every constant part that any can have.
func room(sink Sink, limits Limits, fields int, route uint8) person.Limit {
	some := RunID{}.MessageReference(1) // all are of one length
	around := len(sink.AppendTail(sink.AppendHead(nil, some, route))) + len(SeparatorOf(sink))
	size := func(fields []string) int {
		return around + len(sink.AppendMessage(nil, some, &person.Recipient{Fields: fields, Route: route}))
	}
	each := func(text string) int { return size(slices.Repeat([]string{text}, fields)) }
	constant := each("") + each("x")
	return person.Limit{
		Code: person.CodeTooLong, Words: fmt.Sprintf("the message makes a request of more than %d bytes", limits.Bytes),
		Keeps: func(fields []string) bool { return size(fields) <= limits.Bytes },
		Least: leastAbove(limits.Bytes, constant, mostEscape*(each("xx")-each("x"))),
	}
}

// leastAbove is how many bytes of fields it takes at least for constant bytes, and each of
// those times over, to be more than most.
func leastAbove(most, constant, times int) int {
	switch {
	case constant > most:
		return 0
	case times == 0:
		return math.MaxInt
	}
	return (most-constant)/times + 1
}

// unkept is the first of what is asked that a recipient's fields do not keep to; nil when
// they keep to all.
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

// LeastAbove is how many bytes all fields of a record must have at least, together, for
// the rendered text to have more than most.
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

// Literal is the text without what is filled in.
func (t Template) Literal() string {
	var b strings.Builder
	for _, s := range t.segments {
		b.WriteString(s.plain)
	}
	return b.String()
}
