package inspect

import (
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// Check counts what the log has, finds an account that is wrong, and says where it stands.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	planned := enginetest.SealPlan(t, dir, enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000)
	log, err := ledger.Open(dir, planned)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(ledger.Start{At: at}))
	for _, r := range []record.Record{
		&record.Attempt{N: 1, At: at}, &record.InDoubt{N: 1, At: at, Status: 503},
		&record.Attempt{N: 2, At: at}, &record.Outcome{N: 2, At: at.Add(time.Hour), Result: record.ResultAccepted, IDs: []string{"a", "b", "c"}},
	} {
		enginetest.Must(t, log.Append(r))
	}
	account := log.Ledger.Account()
	enginetest.Must(t, log.Finish(at.Add(time.Hour), account))
	s, err := Check(dir, planned)
	enginetest.Must(t, err)
	if s.Requests != 2 || s.Settled != 1 || s.Doubts != 1 || s.Forms != 1 || s.Records != 6 || !s.Closed || !s.First.Equal(at) || !s.Last.Equal(at.Add(time.Hour)) {
		t.Errorf("%+v", s)
	}
	account.Fates[person.Accepted]--
	enginetest.Must(t, log.Finish(at, account))
	enginetest.Must(t, log.Close())
	if _, err := Check(dir, planned); !ledger.IsDamage(err) || !strings.Contains(err.Error(), "0000000000000001.log, the record at byte") {
		t.Errorf("a run that ended with other fates than its records make: %v", err)
	}
}

func TestReadEntry(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	reference := planned.References.Batch(0, 0, 0, 0).String()
	for line, r := range map[string]record.Record{
		"7 2026-11-21T06:00:00.000Z outcome batch 0.0.0 " + reference + " attempt 2 held status 503 BUSY retry after 5s": &record.Outcome{
			N: 2, At: at, Result: record.ResultHeld, Status: 503, Code: "BUSY", RetryAfter: 5 * time.Second,
		},
		`7 2026-11-21T06:00:00.000Z control halted "a person"`:    &record.Control{At: at, Verb: "halted", Detail: "a person"},
		"7 2026-11-21T06:00:00.000Z listed_late batch 0 1 people": &record.ListedLate{At: at, People: []record.RefusedRow{{Position: 1, Code: "ceased"}}},
		"7 2026-11-21T06:00:00.000Z run_closed accepted 3":        &record.RunClosed{At: at, Counts: ledger.Account{Fates: map[person.Fate]int64{person.Accepted: 3}}.Counts()},
	} {
		e, err := ReadEntry(planned, journal.Record{Seq: 7, Type: r.Kind(), Payload: record.Append(nil, r)})
		if err != nil || e.String() != line {
			t.Errorf("%q, %v, want %q", e, err, line)
		}
	}
	r := &record.Attempt{Form: plan.FormID{Batch: 9}}
	if _, err := ReadEntry(planned, journal.Record{Type: r.Kind(), Payload: record.Append(nil, r)}); !ledger.IsDamage(err) {
		t.Errorf("a batch that does not exist: %v", err)
	}
}
