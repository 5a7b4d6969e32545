package ledger

import (
	"fmt"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/record"
)

// One row for every cell of the protocol's table, and for services of the other kinds.
func TestDecide(t *testing.T) {
	first := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	early, late := first.Add(ValidatorMemory-time.Millisecond), first.Add(ValidatorMemory)
	type cell struct {
		clear, doubtful, doubtfulLate Step
	}
	deduplicates := map[engine.Reply]cell{
		engine.Accepted:    {StepAccept, StepAccept, StepAccept},
		engine.Known:       {StepForeign, StepAcceptUnknown, StepAcceptUnknown},
		engine.RowsRefused: {StepRevise, StepRevise, StepHold},
		engine.TooLarge:    {StepSplit, StepHold, StepHold},
		engine.Refused:     {StepAgain, StepAgain, StepAgain},
		engine.Unsent:      {StepAgain, StepAgain, StepAgain},
		engine.Unknown:     {StepReplay, StepReplay, StepReplay},
		engine.Unsent + 1:  {StepReplay, StepReplay, StepReplay}, // a reply that there is not is one not understood
	}
	// Whatever is in doubt at a service that does not take a reference once is held: no
	// answer to a later attempt says anything about an earlier one.
	others := map[engine.Reply]cell{
		engine.Accepted:    {StepAccept, StepHold, StepHold},
		engine.Known:       {StepForeign, StepHold, StepHold},
		engine.RowsRefused: {StepRevise, StepHold, StepHold},
		engine.TooLarge:    {StepSplit, StepHold, StepHold},
		engine.Refused:     {StepAgain, StepHold, StepHold},
		engine.Unsent:      {StepAgain, StepHold, StepHold},
		engine.Unknown:     {StepHold, StepHold, StepHold},
	}
	for kind, table := range map[engine.Kind]map[engine.Reply]cell{engine.Deduplicates: deduplicates, engine.CanBeAsked: others, engine.Neither: others} {
		for reply, want := range table {
			state := State{Messages: 3, Attempts: 1, Pending: true, First: record.InstantOf(first.UnixMilli())}
			for sentence, test := range map[string]struct {
				doubt bool
				now   time.Time
				want  Step
			}{
				"none in doubt":              {false, early, want.clear},
				"none in doubt, a day later": {false, late, want.clear},
				"one in doubt":               {true, early, want.doubtful},
				"one in doubt, a day later":  {true, late, want.doubtfulLate},
			} {
				state.InDoubt = test.doubt
				if got := Decide(kind, state, engine.Answer{Reply: reply}, test.now); got != test.want {
					t.Errorf("kind %d, reply %d, %s: step %d, want %d", kind, reply, sentence, got, test.want)
				}
			}
		}
	}
}

// A 425 may be about the attempt that it answers, which a gateway has delivered twice. So it
// leaves that attempt in doubt, the first as any other, and a duplicate's answer is then ours.
func TestA425IsDoubt(t *testing.T) {
	early := engine.Answer{Reply: engine.Unknown, Status: 425, Code: "TOO_EARLY", RetryAfter: 5 * time.Minute}
	for _, doubt := range []bool{false, true} {
		s := State{Messages: 3, Attempts: 1, Pending: true, InDoubt: doubt}
		if got := Decide(engine.Deduplicates, s, early, time.Now()); got != StepReplay {
			t.Errorf("in doubt %v: step %d", doubt, got)
		}
		for _, kind := range []engine.Kind{engine.CanBeAsked, engine.Neither} {
			if got := Decide(kind, s, early, time.Now()); got != StepHold {
				t.Errorf("kind %d, in doubt %v: step %d", kind, doubt, got)
			}
		}
	}
}

// Nothing else in an answer changes what the protocol does.
func TestDecideGoesByTheReplyAlone(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	for reply := engine.Unknown; reply <= engine.Unsent; reply++ {
		plain := Decide(engine.Deduplicates, State{Messages: 1}, engine.Answer{Reply: reply}, now)
		full := Decide(engine.Deduplicates, State{Messages: 1, Attempts: 9, Reason: 3}, engine.Answer{
			Reply: reply, Status: 500, Code: "X", RetryAfter: time.Hour, HoldAll: true, Halt: "stop",
		}, now)
		if plain != full {
			t.Errorf("reply %d: %s", reply, fmt.Sprint(plain, full))
		}
	}
}
