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
	"cohort/ingest/person"
)

// What an answer to a message that is sent again means: it speaks for its own attempt
// alone, and the message stays in doubt until something accepts it.
func TestDecideAfterAResend(t *testing.T) {
	for reply, want := range map[engine.Reply]record.Result{
		engine.Accepted: record.ResultAccepted, engine.Known: record.ResultHeld, engine.RowsRefused: record.ResultHeld, engine.TooLarge: record.ResultHeld,
		engine.Refused: record.ResultNotAccepted, engine.Unsent: record.ResultNotAccepted, engine.Unknown: record.ResultHeld,
	} {
		for _, s := range []Resending{toBeResent, toBeResent | wasResent} {
			if got := Decide(engine.CanBeAsked, State{Messages: 1, Attempts: 2, Phase: Replayed, Resend: s}, engine.Answer{Reply: reply}, time.Now()); got != want {
				t.Errorf("reply %d: step %d, want %d", reply, got, want)
			}
		}
		if got := Decide(engine.CanBeAsked, State{Messages: 1, Attempts: 2, Phase: Replayed, Resend: wasResent}, engine.Answer{Reply: reply}, time.Now()); got != record.ResultHeld {
			t.Errorf("reply %d to a message that nobody has decided about anew: step %d", reply, got)
		}
	}
}

// Nothing is sent again but by a decision that a Control record tells of, and nobody but
// who is in doubt.
func TestTransitionsOfAResend(t *testing.T) {
	dir := t.TempDir()
	enginetest.SealForgetful(t, dir, enginetest.NewPeople(2, 1, nil))
	planned := enginetest.OpenPlan(t, dir)
	first, second := plan.FormID{}, plan.FormID{Batch: 1}
	open := &record.RunOpened{Plan: planned.Digest}
	try := func(id plan.FormID, n uint16) *record.Attempt {
		return &record.Attempt{Form: id, N: n, At: time.UnixMilli(int64(n))}
	}
	answer := func(n uint16, r record.Result) *record.Outcome { return &record.Outcome{Form: first, N: n, Result: r} }
	decided := &record.Control{Verb: record.ControlResent, Detail: "ann: why"}
	other := &record.Control{Verb: record.ControlHalted}
	resend := func(id plan.FormID) *record.Resolved { return &record.Resolved{Form: id, Result: record.ResultResend} }
	receipt := &record.Resolved{Form: first, Result: record.ResultAccepted, IDs: []string{"x"}}
	late := &record.ListedLate{Batch: 0, People: []record.RefusedRow{{Position: 0, Code: "ceased"}}}
	lost := &record.Recovered{Plan: planned.Digest}
	held := []step{{try(first, 1), true}, {answer(1, record.ResultHeld), true}}
	again := append(slices.Clone(held), step{decided, true}, step{resend(first), true})
	after := func(before []step, more ...step) []step { return append(slices.Clone(before), more...) }
	for sentence, test := range map[string]struct {
		history []step
		fate    person.Fate
	}{
		"decided, sent and accepted":                   {after(again, step{try(first, 2), true}, step{answer(2, record.ResultAccepted), true}), person.Accepted},
		"decided, and not sent yet":                    {again, person.InDoubt},
		"decided, and a process dies on the way":       {after(again, step{try(first, 2), true}, step{open, true}, step{try(first, 3), false}), person.InDoubt},
		"and is decided anew":                          {after(again, step{try(first, 2), true}, step{open, true}, step{decided, true}, step{resend(first), true}, step{try(first, 3), true}), person.InDoubt},
		"held again is the end":                        {after(again, step{try(first, 2), true}, step{answer(2, record.ResultHeld), true}, step{try(first, 3), false}), person.InDoubt},
		"certainly not accepted, it is tried again":    {after(again, step{try(first, 2), true}, step{answer(2, record.ResultNotAccepted), true}, step{try(first, 3), true}), person.InDoubt},
		"a process that starts before it is sent":      {after(again, step{open, true}, step{try(first, 2), true}), person.InDoubt},
		"a receipt comes before it is sent":            {after(again, step{receipt, true}, step{try(first, 2), false}), person.Accepted},
		"a receipt while it is under way":              {after(again, step{try(first, 2), true}, step{receipt, false}), person.InDoubt},
		"a receipt afterwards":                         {after(again, step{try(first, 2), true}, step{answer(2, record.ResultHeld), true}, step{receipt, true}), person.Accepted},
		"somebody who is listed before it is sent":     {after(again, step{late, true}, step{try(first, 2), false}), person.InDoubt},
		"somebody who was listed":                      {after(held, step{late, true}, step{decided, true}, step{resend(first), false}), person.InDoubt},
		"nobody has decided":                           {after(held, step{resend(first), false}), person.InDoubt},
		"something else was decided":                   {after(held, step{other, true}, step{resend(first), false}), person.InDoubt},
		"something comes between":                      {after(held, step{decided, true}, step{open, true}, step{resend(first), false}), person.InDoubt},
		"twice by one decision":                        {after(again, step{resend(first), false}), person.InDoubt},
		"another by the same decision":                 {after(held, step{try(second, 1), true}, step{open, true}, step{decided, true}, step{resend(first), true}, step{resend(second), true}), person.InDoubt},
		"somebody who was never sent to":               {[]step{{decided, true}, {resend(first), false}}, person.NotSent},
		"somebody who was accepted":                    {[]step{{try(first, 1), true}, {answer(1, record.ResultAccepted), true}, {decided, true}, {resend(first), false}}, person.Accepted},
		"somebody whom only a lost log knew":           {[]step{{lost, true}, {decided, true}, {resend(first), false}}, person.InDoubt},
		"a message that does not exist":                {[]step{{decided, true}, {resend(plan.FormID{Batch: 9}), false}}, person.NotSent},
		"a refusal by rows of one that was sent again": {after(again, step{try(first, 2), true}, step{OutcomeOf(Decide(engine.CanBeAsked, State{Phase: InDoubt, Resend: toBeResent}, engine.Answer{Reply: engine.RowsRefused}, time.Now()), first, 2, engine.Answer{}, time.Now()), true}), person.InDoubt},
	} {
		l, err := New(planned)
		enginetest.Must(t, err)
		if test.history[0].record != lost {
			enginetest.Must(t, l.Fold(open, journal.Position{}))
		}
		for i, s := range test.history {
			if err := l.Fold(s.record, journal.Position{}); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			enginetest.Must(t, l.Account().Check())
		}
		if fate := l.State(first).Fate(); fate != test.fate {
			t.Errorf("%s: it is %s", sentence, fate)
		}
	}
	// Where the service takes a reference once, a replay settles what is in doubt.
	plain := t.TempDir()
	l, err := New(enginetest.SealPlan(t, plain, enginetest.NewPeople(2, 1, nil), engine.Limits{Messages: 1, Bytes: 1 << 20}))
	enginetest.Must(t, err)
	for _, r := range []record.Record{&record.RunOpened{Plan: l.Plan.Digest}, held[0].record, held[1].record, decided} {
		enginetest.Must(t, l.Fold(r, journal.Position{}))
	}
	enginetest.CheckError(t, "where replays settle it", l.Fold(resend(first), journal.Position{}), "without a decision")
}
