package ledger

import (
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// A process with a fast clock may have noted a wait that ends hours from now. The next
// one waits no longer than the service has ever asked for.
func TestAWaitNotedByAClockThatWasAhead(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	id := plan.FormID{Batch: 1}
	for sentence, test := range map[string]struct {
		at   time.Time
		wait time.Duration
		want time.Duration // from now on
	}{
		"noted just now":             {now, time.Minute, time.Minute},
		"noted a while ago":          {now.Add(-40 * time.Second), time.Minute, 20 * time.Second},
		"over":                       {now.Add(-time.Hour), time.Minute, 0},
		"noted three hours from now": {now.Add(3 * time.Hour), time.Minute, time.Minute},
	} {
		l := &Ledger{due: map[plan.FormID]time.Time{}}
		l.askedToWait(id, 429, test.at, test.wait)
		if got := pace.Later(now, l.QuietAt(now)).Sub(now); got != test.want {
			t.Errorf("%s: quiet for %s, want %s", sentence, got, test.want)
		}
		if got := l.DueAt(id, now).Sub(now); got != test.want {
			t.Errorf("%s: due in %s, want %s", sentence, got, test.want)
		}
	}
}

// What a service asks for when it leaves a request in doubt for good holds over a restart
// too: its answer is an outcome then, and no doubt to be replayed.
func TestQuietOutlivesAHold(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000)
	l, err := New(planned)
	enginetest.Must(t, err)
	enginetest.Must(t, l.Fold(&record.RunOpened{Plan: planned.Digest}, journal.Position{}))
	enginetest.Must(t, l.Fold(&record.Attempt{N: 1, At: at}, journal.Position{}))
	busy := engine.Answer{Reply: engine.Unknown, Status: 503, RetryAfter: time.Hour, HoldAll: true}
	step := Decide(engine.CanBeAsked, l.State(plan.FormID{}), busy, at)
	enginetest.Must(t, l.Fold(OutcomeOf(step, plan.FormID{}, 1, busy, at), journal.Position{}))
	if l.State(plan.FormID{}).Phase != Held || !l.QuietAt(at).Equal(at.Add(time.Hour)) {
		t.Errorf("the form is %+v, and the service is left alone until %v", l.State(plan.FormID{}), l.QuietAt(at))
	}
}

// Nothing but an answer of the service moves the time of the last answer.
func TestOnlyTheServiceMovesTheLastAnswer(t *testing.T) {
	plan := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000)
	for sentence, test := range map[string]struct {
		answer record.Record
		moves  bool
	}{
		"a connection that is refused": {&record.Outcome{N: 1, At: at, Result: record.ResultNotAccepted, Code: "not_reached"}, false},
		"a timeout":                    {&record.InDoubt{N: 1, At: at, Code: "timeout"}, false},
		"held without an answer":       {&record.Outcome{N: 1, At: at, Result: record.ResultHeld, Code: "timeout"}, false},
		"a 500":                        {&record.InDoubt{N: 1, At: at, Status: 500}, true},
		"a 425":                        {&record.InDoubt{N: 1, At: at, Status: 425}, true},
		"a 429":                        {&record.Outcome{N: 1, At: at, Result: record.ResultNotAccepted, Status: 429}, true},
		"an acceptance":                {&record.Outcome{N: 1, At: at, Result: record.ResultAccepted, Status: 201}, true},
		"a file that was written":      {&record.Outcome{N: 1, At: at, Result: record.ResultAccepted}, true},
		"rows that are refused":        {&record.Revision{N: 1, At: at, Status: 400, Number: 1, Refused: make([]record.RefusedRow, 3)}, true},
	} {
		l, err := New(plan)
		enginetest.Must(t, err)
		enginetest.Must(t, l.Fold(&record.RunOpened{Plan: plan.Digest}, journal.Position{}))
		enginetest.Must(t, l.Fold(&record.Attempt{N: 1, At: at}, journal.Position{}))
		enginetest.Must(t, l.Fold(test.answer, journal.Position{}))
		if l.Facts().LastAnswer.Equal(at) != test.moves {
			t.Errorf("%s: the last answer was at %s", sentence, l.Facts().LastAnswer)
		}
	}
}
