package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// The digest of the report holds until a record may change what became of somebody. It is no event.
func TestTheDigestOfTheReport(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	at, first := time.UnixMilli(1_795_000_000_000), plan.FormID{}
	for _, test := range []struct {
		next  record.Record
		holds bool
	}{
		{&record.Control{At: at, Verb: record.ControlSuperseded, Detail: "x"}, true},
		{&record.Control{At: at, Verb: record.ControlWitness, Detail: `{"segment":1,"files":[{}]}`}, true},
		{&record.Control{At: at, Verb: record.ControlTaken, Detail: "0 a file"}, false},
		{&record.ListedLate{Batch: 0, At: at, People: []record.RefusedRow{{Position: 0, Code: "x"}}}, false},
		{&record.RunOpened{Plan: planned.Digest, At: at}, false},
		{&record.RunClosed{At: at}, false},
		{&record.Revision{Form: first, At: at, Number: 1, Parts: []plan.Form{{From: 0, To: 3, Dropped: []uint32{1}, Messages: 2}}, Refused: []record.RefusedRow{{Position: 1, Code: "x"}}}, false},
	} {
		l, err := New(planned)
		enginetest.Must(t, err)
		fold := func(r record.Record) { enginetest.Must(t, l.Fold(r, journal.Position{})) }
		fold(&record.RunOpened{Plan: planned.Digest, At: at})
		fold(&record.RunClosed{At: at})
		fold(&record.Control{At: at, Verb: record.ControlReported, Detail: "abc"})
		if f := l.Facts(); f.Reported != "abc" || !f.Closed || len(f.Events) > 0 || f.LastControl != "" || f.Ended != record.ControlFinished {
			t.Fatalf("%+v", f)
		}
		fold(test.next)
		if holds := l.Facts().Reported == "abc"; holds != test.holds {
			t.Errorf("after %T %+v the digest holds: %v", test.next, test.next, holds)
		}
	}
}

func TestBatchesAreWrittenAsRanges(t *testing.T) {
	for text, numbers := range map[string][]uint32{"0": {0}, "1-4,9": {9, 4, 3, 2, 1, 3}, "0-1": {1, 0}, "2,4": {4, 2}} {
		if got := Batches(numbers); got != text {
			t.Errorf("%v is written as %q, not %q", numbers, got, text)
		}
		want := slices.Compact(slices.Sorted(slices.Values(numbers)))
		if got, err := batchesOf(text, 10); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "4-1", "10", "1-10", "1,,2", "-1"} {
		if got, err := batchesOf(text, 10); !errors.Is(err, ErrIllegal) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}
