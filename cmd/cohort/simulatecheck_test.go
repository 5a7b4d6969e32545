package main

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/simulator"
)

// A report and a ledger agree, or the rows that differ are named and nobody is.
func TestTheLedgerAndTheReport(t *testing.T) {
	number := func(row int64) string { return fmt.Sprintf("99900%05d", row) }
	is := func(row int64, fate person.Fate, id string) report.Outcome {
		return report.Outcome{Row: row, NHSNumber: number(row), Fate: fate, MessageID: id}
	}
	has := func(row int64) simulator.Accepted {
		return simulator.Accepted{MessageReference: sweptRun.MessageReference(row).String(), MessageID: idOf(row), NHSNumber: number(row)}
	}
	for _, test := range []struct {
		sentence string
		outcomes []report.Outcome
		ledger   []simulator.Accepted
		differ   int64
		want     string
	}{
		{"everything as it should be",
			[]report.Outcome{is(1, person.Accepted, idOf(1)), is(2, person.Accepted, ""), is(3, person.InDoubt, ""), is(4, person.InDoubt, ""), is(5, person.Refused, ""), is(6, person.Invalid, "")},
			[]simulator.Accepted{has(3), has(2), has(1)}, 0, ""},
		{"other runs in the ledger are none of its business", []report.Outcome{is(1, person.NotSent, "")}, []simulator.Accepted{{MessageReference: "another's", NHSNumber: number(1)}, has(9)}, 0, ""},
		{"an accepted record is missing", []report.Outcome{is(1, person.Accepted, idOf(1))}, nil, 1, "row 1 is accepted, and the ledger does not have it"},
		{"a record is there twice", []report.Outcome{is(1, person.Accepted, idOf(1))}, []simulator.Accepted{has(1), has(1)}, 2, "row 1 is accepted, and the ledger has it 2 times"},
		{"one in doubt is there twice", []report.Outcome{is(1, person.InDoubt, "")}, []simulator.Accepted{has(1), has(1)}, 2, "row 1 is in_doubt, and the ledger has it 2 times"},
		{"the id is another one", []report.Outcome{is(1, person.Accepted, "x")}, []simulator.Accepted{has(1)}, 1, "under another id"},
		{"the person is another one", []report.Outcome{{Row: 1, NHSNumber: number(2), Fate: person.Accepted, MessageID: idOf(1)}}, []simulator.Accepted{has(1)}, 1, "for another person"},
		{"a refused record is there", []report.Outcome{is(1, person.Refused, "")}, []simulator.Accepted{has(1)}, 1, "row 1 is refused, and the ledger has it"},
		{"a suppressed record is there", []report.Outcome{is(1, person.Suppressed, "")}, []simulator.Accepted{has(1)}, 1, "row 1 is suppressed"},
		{"a record that was not sent is there", []report.Outcome{is(1, person.NotSent, "")}, []simulator.Accepted{has(1)}, 1, "row 1 is not_sent"},
		{"an invalid record is there", []report.Outcome{is(1, person.Invalid, "")}, []simulator.Accepted{has(1)}, 1, "row 1 is invalid"},
		{"a duplicate is there, and so is the person twice",
			[]report.Outcome{is(1, person.Accepted, idOf(1)), {Row: 2, NHSNumber: number(1), Fate: person.Duplicate}},
			[]simulator.Accepted{has(1), {MessageReference: sweptRun.MessageReference(2).String(), MessageID: "x", NHSNumber: number(1)}}, 2, "a person was accepted twice"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var out strings.Builder
			n := int64(8)
			c := &ledgerCheck{out: &out, table: newRowTable(sweptRun, n), times: make([]uint8, n), ids: make([]uint32, n), numbers: make([]uint32, n), fates: map[person.Fate]int64{}}
			if err := c.ledger(each(test.ledger)); err != nil {
				t.Fatal(err)
			}
			if err := c.report(each(test.outcomes)); err != nil {
				t.Fatal(err)
			}
			c.print(&report.File{Run: sweptRun, Complete: true})
			if c.differ != test.differ || !strings.Contains(out.String(), test.want) || strings.Contains(out.String(), "they agree") != (test.differ == 0) || strings.Contains(out.String(), "99900") {
				t.Errorf("%d differences, not %d:\n%s", c.differ, test.differ, out.String())
			}
		})
	}
}

// each yields the elements of a list and no error.
func each[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}
