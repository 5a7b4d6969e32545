package outcome

import (
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// Each record gets its own outcome, and its own id of an accepted batch.
func TestOutcomes(t *testing.T) {
	dir := t.TempDir()
	planned := enginetest.SealPlan(t, dir, enginetest.NewPeople(9, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	log, err := ledger.Open(dir, planned)
	enginetest.Must(t, err)
	at := time.UnixMilli(1_795_000_000_000)
	enginetest.Must(t, log.Open(ledger.Start{At: at}))
	first, rest, second := plan.FormID{}, plan.FormID{Revision: 1}, plan.FormID{Batch: 1}
	for _, r := range []record.Record{
		&record.Attempt{Form: first, N: 1, At: at},
		&record.Revision{
			Form: first, N: 1, Number: 1, Sure: true, Parts: []plan.Form{{From: 0, To: 3, Dropped: []uint32{1}, Messages: 2}},
			Refused: []record.RefusedRow{{Position: 1, Code: "TEXT", Reason: "it is too long"}},
		},
		&record.Attempt{Form: rest, N: 1, At: at.Add(time.Second)},
		&record.Outcome{Form: rest, N: 1, At: at.Add(2 * time.Second), Result: record.ResultAccepted, Status: 201, IDs: []string{"a", "b"}},
		&record.Attempt{Form: second, N: 1, At: at},
		&record.InDoubt{Form: second, N: 1, At: at, Code: "timeout"},
		&record.ListedLate{Batch: 1, People: []record.RefusedRow{{Position: 5, Code: "opted_out"}}},
	} {
		enginetest.Must(t, log.Append(r))
	}
	enginetest.Must(t, log.Close())
	folded, err := ledger.Read(dir, planned)
	enginetest.Must(t, err)
	reader, err := Open(dir, planned, folded)
	enginetest.Must(t, err)
	defer func() { _ = reader.Close() }()
	for position, want := range []Message{
		{Fate: person.Accepted, MessageID: "a", Attempts: 2}, {Fate: person.Refused, Code: "TEXT", Attempts: 1},
		{Fate: person.Accepted, MessageID: "b", Attempts: 2}, {Fate: person.InDoubt, Code: "timeout", Attempts: 1},
		{Fate: person.InDoubt, Code: "timeout", Attempts: 1}, {Fate: person.InDoubt, Code: ledger.CodeListedTooLate, Attempts: 1},
		{Fate: person.NotSent}, {Fate: person.NotSent}, {Fate: person.NotSent},
	} {
		got, err := reader.Outcome(int64(position)+1, 0, uint32(position))
		enginetest.Must(t, err)
		if got.Fate != want.Fate || got.Code != want.Code || got.MessageID != want.MessageID || got.Attempts != want.Attempts {
			t.Errorf("position %d: %+v, want %+v", position, got, want)
		}
		if got.AcceptedAt.IsZero() != (got.Fate != person.Accepted) || got.FirstAttempt.IsZero() != (got.Attempts == 0) {
			t.Errorf("position %d: %+v", position, got)
		}
	}
	if _, err := reader.Outcome(10, 0, 9); err == nil {
		t.Error("a position behind the last batch has an outcome")
	}
}

func TestReasonWords(t *testing.T) {
	lost := ledger.State{Messages: 1, Phase: ledger.Held, Loss: ledger.LogLost}
	for words, test := range map[string]struct {
		state ledger.State
		code  string
	}{
		"": {ledger.State{Messages: 1}, ""},
		"every attempt was certainly not accepted; it will be sent again":                              {ledger.State{Messages: 1, Attempts: 2}, ""},
		"the service refused it, and a person has decided that it is sent again":                       {ledger.State{Messages: 1}, ledger.CodeRetried},
		"an attempt was not answered, or not understandably; a replay will settle it":                  {ledger.State{Messages: 1, Attempts: 1, Phase: ledger.InDoubt}, "timeout"},
		"the log that knew whether it was attempted is lost; a replay will settle it":                  {ledger.State{Messages: 1, Phase: ledger.InDoubt, Loss: ledger.LogLost}, ""},
		"an attempt may have been accepted, and no replay can settle it":                               {ledger.State{Messages: 1, Attempts: 1, Phase: ledger.Held}, "timeout"},
		"its answer was lost, and the service's receipts name the message":                             {ledger.State{Messages: 1, Phase: ledger.Accepted}, ledger.CodeReceipt},
		"the log that knew whether it was attempted is lost, and nothing can be sent again without it": {lost, ledger.HoldRevisionsLost},
	} {
		if got := ReasonWords(test.state, test.code); got != words {
			t.Errorf("%+v: %q, want %q", test.state, got, words)
		}
	}
}
