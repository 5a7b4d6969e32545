package file

import (
	"testing"

	"cohort/engine"
	"cohort/sinks/sinktest"
)

func TestRecordsTooLargeForAPart(t *testing.T) {
	columns := []Column{{Name: "message_reference"}, {Name: "nhs_number"}}
	for i, text := range []string{"((a)) and, \"((b))\"", "((a))((a))", "plain"} {
		compiled, err := engine.CompileTemplate(text, []string{"a", "b"})
		must(t, err)
		columns = append(columns, Column{Name: string(rune('p' + i)), Text: compiled})
	}
	for _, layout := range []Layout{
		&Mesh{Fields: fields(t, "((a)) and, \"((b))\"", "((a))((a))", "plain", "((b))")},
		&Letters{Format: CSV, Columns: columns},
		&Letters{Format: JSONL, Columns: columns},
	} {
		sinktest.Room(t, New(Options{Layout: layout, Limits: Limits{Messages: 1, Bytes: 1 << 20}}), 2)
	}
}
