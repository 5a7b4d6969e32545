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
		clear, doubtful, doubtfulLate record.Result
	}
	deduplicates := map[engine.Reply]cell{
		engine.Accepted:    {record.ResultAccepted, record.ResultAccepted, record.ResultAccepted},
		engine.Known:       {record.ResultForeign, record.ResultAcceptedUnknown, record.ResultAcceptedUnknown},
		engine.RowsRefused: {record.ResultRevise, record.ResultRevise, record.ResultHeld},
		engine.TooLarge:    {record.ResultSplit, record.ResultHeld, record.ResultHeld},
		engine.Refused:     {record.ResultNotAccepted, record.ResultNotAccepted, record.ResultNotAccepted},
		engine.Unsent:      {record.ResultNotAccepted, record.ResultNotAccepted, record.ResultNotAccepted},
		engine.Unknown:     {record.ResultReplay, record.ResultReplay, record.ResultReplay},
		engine.Unsent + 1:  {record.ResultReplay, record.ResultReplay, record.ResultReplay}, // an unknown reply is unclear
	}
	// Whatever is in doubt at a service that does not take a reference once is held: no
	// answer to a later attempt says anything about an earlier one.
	others := map[engine.Reply]cell{
		engine.Accepted:    {record.ResultAccepted, record.ResultHeld, record.ResultHeld},
		engine.Known:       {record.ResultForeign, record.ResultHeld, record.ResultHeld},
		engine.RowsRefused: {record.ResultRevise, record.ResultHeld, record.ResultHeld},
		engine.TooLarge:    {record.ResultSplit, record.ResultHeld, record.ResultHeld},
		engine.Refused:     {record.ResultNotAccepted, record.ResultHeld, record.ResultHeld},
		engine.Unsent:      {record.ResultNotAccepted, record.ResultHeld, record.ResultHeld},
		engine.Unknown:     {record.ResultHeld, record.ResultHeld, record.ResultHeld},
	}
	for kind, table := range map[engine.Kind]map[engine.Reply]cell{engine.Deduplicates: deduplicates, engine.CanBeAsked: others} {
		for reply, want := range table {
			state := State{Messages: 3, Attempts: 1, Phase: Attempted, First: record.Instant(first.UnixMilli())}
			for sentence, test := range map[string]struct {
				doubt bool
				now   time.Time
				want  record.Result
			}{
				"none in doubt":              {false, early, want.clear},
				"none in doubt, a day later": {false, late, want.clear},
				"one in doubt":               {true, early, want.doubtful},
				"one in doubt, a day later":  {true, late, want.doubtfulLate},
			} {
				if state.Phase = Attempted; test.doubt {
					state.Phase = Replayed
				}
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
	for _, phase := range []Phase{Attempted, Replayed} {
		s := State{Messages: 3, Attempts: 1, Phase: phase}
		if got := Decide(engine.Deduplicates, s, early, time.Now()); got != record.ResultReplay {
			t.Errorf("phase %d: step %d", phase, got)
		}
		if got := Decide(engine.CanBeAsked, s, early, time.Now()); got != record.ResultHeld {
			t.Errorf("where the service does not deduplicate, phase %d: step %d", phase, got)
		}
	}
}

// Nothing else in an answer changes what the protocol does.
func TestDecideDependsOnTheReplyAlone(t *testing.T) {
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
