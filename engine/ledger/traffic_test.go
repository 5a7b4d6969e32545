package ledger

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Each request ends in one result, and takes the time from its own attempt, whichever attempt of its form it is.
func TestTraffic(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(12, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	begin := planned.Created.Add(time.Hour)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	form := func(batch uint32) plan.FormID { return plan.FormID{Batch: batch} }
	l, err := New(planned)
	enginetest.Must(t, err)
	open := &record.RunOpened{Plan: planned.Digest, At: at(0)}
	for i, r := range []record.Record{
		open,
		&record.Attempt{Form: form(0), N: 1, At: at(0)},
		&record.Outcome{Form: form(0), N: 1, At: at(60), Result: record.ResultNotAccepted, Status: 429, Code: "BUSY"},
		&record.Attempt{Form: form(0), N: 2, At: at(1000)},
		&record.InDoubt{Form: form(0), N: 2, At: at(90000), Code: "timeout"},
		&record.Attempt{Form: form(0), N: 3, At: at(100000)},
		&record.Outcome{Form: form(0), N: 3, At: at(100010), Result: record.ResultAcceptedUnknown, Status: 422, Code: "DUPLICATE"},
		&record.Attempt{Form: form(1), N: 1, At: at(100000)},
		&record.Revision{Form: form(1), N: 1, At: at(100011), Status: 400, Code: "BAD", Number: 1, Refused: make([]record.RefusedRow, 3)},
		&record.Attempt{Form: form(2), N: 1, At: at(100000)},
		open, // the process died
		&record.Attempt{Form: form(2), N: 2, At: at(200000)},
		&record.Outcome{Form: form(2), N: 2, At: at(231000), Result: record.ResultAccepted, Status: 201},
		&record.Attempt{Form: form(3), N: 1, At: at(300000)},
		&record.Outcome{Form: form(3), N: 1, At: at(299000), Result: record.ResultNotAccepted, Status: 500, Code: "BROKEN"}, // the clock was set back
		&record.Control{Verb: record.ControlHalted, Detail: "too many were refused [stop_if]"},
	} {
		if err := l.Fold(r, journal.Position{}); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	want := Traffic{
		Results: Results{Accepted: 1, Duplicate: 1, Throttled: 1, Refused: 2, Unanswered: 2},
		Answers: []Answers{{429, "BUSY", 1}, {0, "timeout", 1}, {422, "DUPLICATE", 1}, {400, "BAD", 1}, {0, "no_answer", 1}, {201, "", 1}, {500, "BROKEN", 1}},
		Refused: []Answers{{0, "", 3}}, Halts: []Answers{{0, "stop_if", 1}},
		Messages: 21, Millis: 60 + 10 + 11 + 31000, Accepted: []uint64{6},
		AcceptedAt: time.UnixMilli(at(231000).UnixMilli()), ReachableAt: time.UnixMilli(at(299000).UnixMilli()),
	}
	want.Took[0], want.Took[1], want.Took[3], want.Took[11] = 2, 1, 1, 1
	if got := l.Traffic(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(l.later) != 0 {
		t.Errorf("%d attempts are kept for ever", len(l.later))
	}
}

// A service that invents codes fills no memory and no page.
func TestTrafficKeepsFewCodes(t *testing.T) {
	var traffic Traffic
	for i := range 1000 {
		traffic.answered(0, time.UnixMilli(1), 1, 500, fmt.Sprint("E", i), 0)
	}
	kept := traffic.Answers
	if last := kept[len(kept)-1]; len(kept) != mostCodes+1 || last != (Answers{0, Other, 1000 - mostCodes}) {
		t.Errorf("%d codes are kept, the last is %+v", len(kept), last)
	}
	one := traffic.clone()
	traffic.answered(0, time.UnixMilli(1), 1, 500, "E0", 0)
	if one.Answers[0].N != 1 {
		t.Error("a copy changes with the ledger")
	}
}
