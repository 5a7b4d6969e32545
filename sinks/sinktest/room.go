package sinktest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/ingest/person"
)

// Room checks that a record too large for any request is found while the cohort is read:
// engine.Asked must refuse it, whatever its fields hold. A message of the sink has the given
// number of fields.
func Room(t *testing.T, sink engine.Sink, fields int) {
	t.Helper()
	// Texts that grow when they are written, that are trimmed, and that are empty.
	part := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("\x01\x1f\"\\\n\r\t, xé😀")), 0, 6, -1),
		rapid.Custom(func(t *rapid.T) string { return strings.Repeat("\x02", rapid.IntRange(0, 2000).Draw(t, "length")) }),
		rapid.Just(""), rapid.Just(" "), rapid.Just(`"`), rapid.Just("x"),
	)
	comma := len(",")
	if s, ok := sink.(engine.Separated); ok {
		comma = len(s.Separator())
	}
	rapid.Check(t, func(t *rapid.T) {
		p := person.Recipient{Number: Number(1), Fields: rapid.SliceOfN(part, fields, fields).Draw(t, "fields")}
		size := len(sink.AppendTail(sink.AppendMessage(sink.AppendHead(nil, engine.Reference{}, 0), engine.Reference{}, &p))) + comma
		bytes := 0
		for _, f := range p.Fields {
			bytes += len(f)
		}
		for _, most := range []int{size - 1, size} {
			asked := engine.Asked(sink, engine.Limits{Messages: 1, Bytes: most}, fields)
			room := asked[len(asked)-1]
			if room.Code != person.CodeTooLong {
				t.Fatalf("the last that is asked is %s", room.Code)
			}
			if refused := bytes >= room.Least && !room.Keeps(p.Fields); refused != (size > most) {
				t.Fatalf("a request of %d bytes, where one may have %d: refused %v; asked from %d bytes of fields on, and these have %d", size, most, refused, room.Least, bytes)
			}
		}
	})
}
