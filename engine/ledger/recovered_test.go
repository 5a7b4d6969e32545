package ledger

import (
	"errors"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// What may follow a recovery, and what it makes of forms.
func TestTransitionsOfARecoveredLog(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	first, second, newer := plan.FormID{}, plan.FormID{Batch: 1}, plan.FormID{Revision: 1}
	since := time.UnixMilli(1_795_000_000_000)
	open := &record.RunOpened{Plan: planned.Digest}
	lost := func(revisions uint64, hold string) *record.Recovered {
		return &record.Recovered{Plan: planned.Digest, Since: since, Revisions: revisions, Hold: hold, Attempts: 7}
	}
	copied := &record.Revision{Form: first, N: 3, Number: 1, Parts: []plan.Form{{Messages: 2}}, Refused: []record.RefusedRow{{Position: 1}}}
	try := func(id plan.FormID, n uint16) *record.Attempt {
		return &record.Attempt{Form: id, N: n, At: since.Add(time.Hour)}
	}
	answer := func(id plan.FormID, n uint16, r record.Result) *record.Outcome {
		return &record.Outcome{Form: id, N: n, Result: r}
	}
	listed := func(position uint32) *record.ListedLate {
		return &record.ListedLate{Batch: 1, People: []record.RefusedRow{{Position: position, Code: "opted_out"}}}
	}
	decided := func(id plan.FormID, r record.Result) *record.Resolved { return &record.Resolved{Form: id, Result: r} }
	for sentence, history := range map[string][]step{
		"a form known to the service at the first attempt": {{lost(0, ""), true}, {open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultAcceptedUnknown), true}},
		"without a recovery it proves nothing":             {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultAcceptedUnknown), false}},
		"of another plan":                                  {{&record.Recovered{}, false}},
		"a revision is copied, and the newer form is lost too": {{lost(1, ""), true}, {copied, true}, {open, true},
			{try(newer, 1), true}, {answer(newer, 1, record.ResultAcceptedUnknown), true}},
		"what it replaced is not sent any more":           {{lost(1, ""), true}, {copied, true}, {open, true}, {try(first, 1), false}},
		"nothing comes between a recovery and its copies": {{lost(1, ""), true}, {open, false}},
		"nor between two of them":                         {{lost(2, ""), true}, {copied, true}, {try(second, 1), false}},
		"more than were announced":                        {{lost(0, ""), true}, {copied, false}},
		"what is held is copied all the same":             {{lost(1, HoldForgotten), true}, {copied, true}, {open, true}, {try(newer, 1), false}},
		"and nothing of it is sent":                       {{lost(0, HoldForgotten), true}, {open, true}, {try(second, 1), false}},
		"a lost form with somebody listed waits":          {{lost(0, ""), true}, {open, true}, {listed(4), true}, {try(second, 1), false}, {try(first, 1), true}},
		"until a person says so":                          {{lost(0, ""), true}, {open, true}, {listed(4), true}, {decided(second, record.ResultReplay), true}, {try(second, 1), true}},
		"and waits again when others are listed":          {{lost(0, ""), true}, {listed(4), true}, {decided(second, record.ResultReplay), true}, {listed(5), true}, {try(second, 1), false}},
		"somebody listed in no form of it":                {{lost(0, ""), true}, {open, true}, {listed(9), true}, {try(second, 1), true}},
		"a lost form that was replayed since goes on": {{lost(0, ""), true}, {open, true}, {try(second, 1), true}, {&record.InDoubt{Form: second, N: 1}, true},
			{listed(4), true}, {try(second, 2), true}},
		"also when the process died meanwhile": {{lost(0, ""), true}, {open, true}, {try(second, 1), true}, {open, true}, {listed(4), true}, {try(second, 2), true}},
		"a replay that was refused proves nothing": {{lost(0, ""), true}, {open, true}, {try(second, 1), true}, {answer(second, 1, record.ResultNotAccepted), true},
			{listed(4), true}, {try(second, 2), false}},
		"a foreign batch is taken for ours":      {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultForeign), true}, {decided(first, record.ResultAcceptedUnknown), true}, {try(first, 2), false}},
		"or stays in doubt":                      {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultForeign), true}, {decided(first, record.ResultHeld), true}, {decided(first, record.ResultAcceptedUnknown), false}},
		"it is not replayed":                     {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultForeign), true}, {decided(first, record.ResultReplay), false}},
		"what is only in doubt asks for nothing": {{open, true}, {try(first, 1), true}, {&record.InDoubt{Form: first, N: 1}, true}, {decided(first, record.ResultAcceptedUnknown), false}},
		"nor what is held for another reason":    {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultHeld), true}, {decided(first, record.ResultReplay), false}},
		"nor what is held without revisions":     {{lost(0, HoldRevisionsLost), true}, {listed(4), true}, {decided(second, record.ResultReplay), false}},
		"nor what a replay can settle, of a receipt": {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultHeld), true},
			{&record.Resolved{Form: first, Result: record.ResultAccepted, IDs: []string{"1", "2", "3"}}, false}},
		"a decision about a form there is not": {{decided(plan.FormID{Batch: 7}, record.ResultReplay), false}},
		"what was accepted is not lost": {{open, true}, {try(first, 1), true}, {answer(first, 1, record.ResultAccepted), true}, {lost(0, ""), true},
			{try(first, 2), false}},
	} {
		l, err := New(planned)
		enginetest.Must(t, err)
		for i, s := range history {
			if err := l.Fold(s.record, journal.Position{}); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) && !errors.As(err, new(*plan.ChangedError)) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			if err := l.Account().Check(); s.legal && err != nil {
				t.Errorf("%s: after record %d: %v", sentence, i+1, err)
			}
		}
	}
}

// Receipts settle what is held at a service that would take a message twice, once, and
// nothing else.
func TestReceiptsSettle(t *testing.T) {
	planned := *enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 1, Bytes: 1 << 20})
	planned.NeverAgain = true
	first := plan.FormID{Batch: 1}
	open := &record.RunOpened{Plan: planned.Digest}
	lost := &record.Recovered{Plan: planned.Digest}
	try := &record.Attempt{Form: first, N: 1}
	answer := func(r record.Result) *record.Outcome { return &record.Outcome{Form: first, N: 1, Result: r} }
	found := func(ids ...string) *record.Resolved {
		return &record.Resolved{Form: first, Result: record.ResultAccepted, IDs: ids}
	}
	for sentence, history := range map[string][]step{
		"what was held":                         {{open, true}, {try, true}, {answer(record.ResultHeld), true}, {found("id"), true}, {found("id"), false}},
		"what a process left":                   {{open, true}, {try, true}, {found("id"), false}, {open, true}, {found("id"), true}, {open, true}},
		"what only a lost log knew":             {{lost, true}, {open, true}, {found("id"), true}},
		"and it is not sent again":              {{lost, true}, {open, true}, {try, false}},
		"not what was never attempted":          {{open, true}, {found("id"), false}},
		"not what was certainly not accepted":   {{open, true}, {try, true}, {answer(record.ResultNotAccepted), true}, {found("id"), false}},
		"not what was accepted with its answer": {{open, true}, {try, true}, {answer(record.ResultAccepted), true}, {found("id"), false}},
		"not with more ids than messages":       {{lost, true}, {found("id", "id"), false}},
		"nor with none":                         {{lost, true}, {found(), false}},
	} {
		l, err := New(&planned)
		enginetest.Must(t, err)
		for i, s := range history {
			if err := l.Fold(s.record, journal.Position{}); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			enginetest.Must(t, l.Account().Check())
		}
	}
}

// The day for which the validator's word holds begins when a lost log can have begun, and
// not with the first attempt that is known.
func TestALostFormMayBeAsOldAsThePlan(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	since := time.UnixMilli(1_795_000_000_000)
	l, err := New(planned)
	enginetest.Must(t, err)
	for _, r := range []record.Record{
		&record.Recovered{Plan: planned.Digest, Since: since}, &record.RunOpened{Plan: planned.Digest},
		&record.Attempt{N: 1, At: since.Add(48 * time.Hour)}, &record.Outcome{N: 1, Result: record.ResultNotAccepted}, // it never left the machine
		&record.Attempt{N: 2, At: since.Add(49 * time.Hour)},
	} {
		enginetest.Must(t, l.Fold(r, journal.Position{}))
	}
	s := l.State(plan.FormID{})
	if step := Decide(engine.Deduplicates, s, engine.Answer{Reply: engine.RowsRefused}, since.Add(49*time.Hour)); step != record.ResultHeld {
		t.Errorf("the step is %d, of %+v", step, s)
	}
	if step := Decide(engine.Deduplicates, s, engine.Answer{Reply: engine.RowsRefused}, since.Add(23*time.Hour)); step != record.ResultRevise {
		t.Errorf("within the day the step is %d", step)
	}
}
