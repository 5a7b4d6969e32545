package simulator

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"cohort/sinks/simulator/ledger"
)

// A check names the rows that differ, and no person.
func TestCheck(t *testing.T) {
	number := func(row int64) string { return fmt.Sprintf("99900%05d", row) }
	idOf := func(row int64) string { return fmt.Sprintf("id%d", row) }
	is := func(row int64, fate, id string) Outcome {
		return Outcome{Row: row, NHSNumber: number(row), Fate: fate, MessageID: id}
	}
	has := func(row int64) ledger.Accepted {
		return ledger.Accepted{MessageReference: fmt.Sprintf("r%d", row), MessageID: idOf(row), NHSNumber: number(row)}
	}
	for _, test := range []struct {
		sentence string
		outcomes []Outcome
		ledger   []ledger.Accepted
		differ   int64
		want     string
	}{
		{"they agree",
			[]Outcome{is(1, accepted, idOf(1)), is(2, accepted, ""), is(3, inDoubt, ""), is(4, inDoubt, ""), is(5, "refused", ""), is(6, "invalid", "")},
			[]ledger.Accepted{has(3), has(2), has(1)}, 0, ""},
		{"messages of other runs do not count", []Outcome{is(1, "not_sent", "")}, []ledger.Accepted{{MessageReference: "other", NHSNumber: number(1)}, has(9)}, 0, ""},
		{"an accepted record is missing", []Outcome{is(1, accepted, idOf(1))}, nil, 1, "row 1 is accepted, and the ledger does not have it"},
		{"a record is there twice", []Outcome{is(1, accepted, idOf(1))}, []ledger.Accepted{has(1), has(1)}, 2, "row 1 is accepted, and the ledger has it 2 times"},
		{"one in doubt is there twice", []Outcome{is(1, inDoubt, "")}, []ledger.Accepted{has(1), has(1)}, 2, "row 1 is in_doubt, and the ledger has it 2 times"},
		{"the id is another one", []Outcome{is(1, accepted, "x")}, []ledger.Accepted{has(1)}, 1, "under another id"},
		{"the person is another one", []Outcome{{Row: 1, NHSNumber: number(2), Fate: accepted, MessageID: idOf(1)}}, []ledger.Accepted{has(1)}, 1, "for another person"},
		{"a refused record is there", []Outcome{is(1, "refused", "")}, []ledger.Accepted{has(1)}, 1, "row 1 is refused, and the ledger has it"},
		{"a suppressed record is there", []Outcome{is(1, "suppressed", "")}, []ledger.Accepted{has(1)}, 1, "row 1 is suppressed"},
		{"a record that was not sent is there", []Outcome{is(1, "not_sent", "")}, []ledger.Accepted{has(1)}, 1, "row 1 is not_sent"},
		{"an invalid record is there", []Outcome{is(1, "invalid", "")}, []ledger.Accepted{has(1)}, 1, "row 1 is invalid"},
		{"a duplicate is there, and so is the person twice",
			[]Outcome{is(1, accepted, idOf(1)), {Row: 2, NHSNumber: number(1), Fate: "duplicate"}},
			[]ledger.Accepted{has(1), {MessageReference: "r2", MessageID: "x", NHSNumber: number(1)}}, 2, "a person was accepted twice"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var out strings.Builder
			c := newCheck(&out, Report{Records: 8, Complete: true, Outcomes: each(test.outcomes), Row: func(reference string) (row int64, ours bool) {
				_, err := fmt.Sscanf(reference, "r%d", &row)
				return row, err == nil && row <= 8
			}})
			if err := c.readLedger(each(test.ledger)); err != nil {
				t.Fatal(err)
			}
			if err := c.compare(); err != nil {
				t.Fatal(err)
			}
			c.print()
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
