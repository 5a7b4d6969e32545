package dispatch

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// decide is a person who reads the receipts and has sent again what they do not name.
func (b *bench) decide(receipts map[engine.Reference]string, listed map[int64]string, now time.Time, change func(*decision.Resend)) (*decision.Resend, error) {
	b.Helper()
	planned := enginetest.OpenPlan(b.T, b.dir)
	defer func() { _ = planned.Close() }()
	log, err := ledger.Open(b.dir, planned)
	enginetest.Must(b.T, err)
	defer func() { enginetest.Must(b.T, log.Close()) }()
	enginetest.Must(b.T, log.Open(ledger.Start{At: now}))
	forms, _, err := decision.InDoubt(log.Ledger, b.people)
	enginetest.Must(b.T, err)
	found, inDoubt := map[plan.FormID]string{}, map[plan.FormID]bool{}
	for r, id := range forms {
		inDoubt[id] = true
		if id, there := receipts[r]; there {
			found[forms[r]] = id
		}
	}
	attempted, err := decision.Attempts(b.dir, planned, func(id plan.FormID) bool { return inDoubt[id] })
	enginetest.Must(b.T, err)
	again, err := decision.ResendCandidates(b.Context(), log.Ledger, decision.Evidence{Found: found, Attempts: attempted, People: b.people.Listed(listed)}, now)
	enginetest.Must(b.T, err)
	if change != nil {
		change(again)
	}
	enginetest.Must(b.T, decision.Found(log, now, found))
	return again, again.Commit(log, "ann", "the patients were asked", now)
}

// The answers of a run are lost. Receipts name some of the messages, a list names one, and a
// person has the others sent again. Each of those is accepted once
// more at the most, and nobody else is sent to.
func TestMessagesInDoubtAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.forgetful = true
		lost := func(n int, r *engine.Request) (engine.Answer, bool) {
			if n%3 == 0 { // accepted, and nobody hears of it; or lost on the way
				if n%6 == 0 {
					s.take(r)
				}
				return engine.Answer{Reply: engine.Unknown, Code: "timeout"}, true
			}
			return engine.Answer{}, false
		}
		s.fault = lost
		b := &bench{t, enginetest.NewPeople(60, 1, nil), t.TempDir()}
		enginetest.SealForgetful(t, b.dir, b.people)
		one := func(j *Job) { j.Ceiling = 1 }
		summary, err := b.start(t.Context(), &connection{kind: engine.CanBeAsked, service: s}, one)
		enginetest.Must(t, err)
		if summary.Account.Fates[person.InDoubt] != 20 || summary.Held != 20 {
			t.Fatalf("%+v", summary)
		}
		receipts := map[engine.Reference]string{} // of all that were accepted; two more got lost
		missing := 0
		for m := range s.accepted {
			var r engine.Reference
			copy(r[:], m)
			receipts[r] = "id-" + m
		}
		before := b.outcomes()
		var doubtful []int64
		for _, row := range slices.Backward(b.people.ToSend()) {
			if m := enginetest.TestRun.References().Message(row); s.accepted[m.String()] == 1 && missing < 2 && before[row].Fate == person.InDoubt {
				delete(receipts, m)
				missing++
			}
		}
		for _, row := range b.people.ToSend() {
			m := enginetest.TestRun.References().Message(row)
			if before[row].Fate == person.InDoubt && receipts[m] == "" {
				doubtful = append(doubtful, row)
			}
		}
		if missing != 2 || len(doubtful) != 12 {
			t.Fatalf("%d receipts are missing, and %d messages are named by none", missing, len(doubtful))
		}
		ceased := map[int64]string{doubtful[3]: "ceased"}

		// Too early, nothing is decided.
		early, err := b.decide(receipts, ceased, time.Now().Add(24*time.Hour), nil)
		if !errors.Is(err, decision.ErrYoung) || early.Young != 11 || early.Again != 11 || early.Named != 8 || early.Listed != 1 {
			t.Fatalf("%+v, %v", early, err)
		}
		if got := b.ledger(); resent(got) != 0 || got.Account().Fates[person.InDoubt] != 12 {
			t.Fatalf("it was decided all the same: %v", got.Account())
		}
		time.Sleep(72 * time.Hour)
		requests := len(s.requests)
		again, err := b.decide(receipts, ceased, time.Now(), nil)
		if err != nil || again.Young != 0 || again.Again != 11 || again.Named != 0 || again.Listed != 1 {
			t.Fatalf("%+v, %v", again, err)
		}
		l := b.ledger()
		_, left := l.Tally()
		if live, held, _ := l.Unsettled(); live != 11 || held != 1 || left != 11 || resent(l) != 11 || l.Settleable() != 0 || len(s.requests) != requests {
			t.Fatalf("%d live, %d held, %d resent", live, held, resent(l))
		}
		if !strings.Contains(l.Facts().LastControl, "resent: 11 messages in doubt, the last of them attempted at ") || !strings.Contains(l.Facts().LastControl, "by ann: the patients were asked") {
			t.Errorf("the log says %q", l.Facts().LastControl)
		}
		// A second decision finds nobody. The suppressed person stays so, though the list has
		// forgotten the name.
		if none, err := b.decide(receipts, nil, time.Now(), nil); err != nil || none.Again != 0 || none.Listed != 1 {
			t.Fatalf("%+v, %v", none, err)
		}
		// Who only settles sends nothing.
		_, err = b.start(t.Context(), &connection{kind: engine.CanBeAsked, service: s}, func(j *Job) { j.Settle = true })
		if len(s.requests) != requests || err != nil {
			t.Fatalf("%d requests, %v", len(s.requests)-requests, err)
		}
		// One is not answered again, one is refused by its row, one for now.
		tries := 0
		s.bad[enginetest.TestRun.References().Message(doubtful[0])] = true
		s.fault = func(_ int, r *engine.Request) (engine.Answer, bool) {
			switch tries++; {
			case r.Messages[0] == enginetest.TestRun.References().Message(doubtful[1]):
				return engine.Answer{Reply: engine.Unknown, Status: 504, Code: "GATEWAY"}, true
			case r.Messages[0] == enginetest.TestRun.References().Message(doubtful[2]) && tries < 30:
				tries += 30
				return engine.Answer{Reply: engine.Refused, Status: 429, Code: "throttled", RetryAfter: time.Second, HoldAll: true}, true
			}
			return engine.Answer{}, false
		}
		summary, err = b.start(t.Context(), &connection{kind: engine.CanBeAsked, service: s}, one)
		enginetest.Must(t, err)
		if n := len(s.requests) - requests; n != 12 || summary.Account.Fates[person.InDoubt] != 3 || summary.Account.Fates[person.Accepted] != 57 || summary.Account.Fates[person.Refused] != 0 {
			t.Fatalf("%d requests, %+v", n, summary)
		}
		after, twice := b.outcomes(), 0
		for _, row := range b.people.ToSend() {
			n := s.accepted[enginetest.TestRun.References().Message(row).String()]
			if n == 2 {
				twice++
			}
			if n > 2 || n == 2 && !slices.Contains(doubtful, row) || n == 0 && after[row].Fate != person.InDoubt {
				t.Errorf("row %d was accepted %d times, and is %s", row, n, after[row].Fate)
			}
		}
		if twice != 2 {
			t.Errorf("%d were accepted twice, and the receipts of 2 were lost", twice)
		}
		b.reasons(after, doubtful)
	})
}

// reasons are what the report says of messages that were sent again.
func (b *bench) reasons(all map[int64]outcome.Message, doubtful []int64) {
	b.Helper()
	for i, want := range map[int]string{
		0: "a person has had it sent again, and that may have been accepted too",
		1: "a person has had it sent again, and that may have been accepted too",
		2: "a person has had it sent again when an attempt was not answered, and it may have been taken twice",
		3: "a suppression list names the person (ceased)",
		4: "a person has had it sent again when an attempt was not answered, and it may have been taken twice",
	} {
		o := all[doubtful[i]]
		attempts := map[int]int{2: 3, 3: 1}[i]
		if attempts == 0 {
			attempts = 2
		}
		if !strings.Contains(o.Reason, want) || o.Attempts != attempts {
			b.Errorf("message %d: %+v", i, o)
		}
	}
}

// A crash in the middle of a decision leaves some of the messages as they were. Nobody is
// sent to again unless the log names the person who decided it.
func TestADecisionThatACrashCutsShort(t *testing.T) {
	b := &bench{t, enginetest.NewPeople(5, 1, nil), t.TempDir()}
	enginetest.SealForgetful(t, b.dir, b.people)
	planned := enginetest.OpenPlan(t, b.dir)
	log, err := ledger.Open(b.dir, planned)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(ledger.Start{At: time.Unix(0, 0)}))
	for n := range uint32(5) {
		a := &record.Attempt{Form: plan.FormID{Batch: n}, N: 1, At: time.Unix(0, 0)}
		enginetest.Must(t, log.Attempt(a))
	}
	enginetest.Must(t, log.Close())
	again, err := b.decide(nil, nil, time.Unix(1_000_000, 0), nil)
	if err != nil || again.Again != 5 {
		t.Fatalf("%+v, %v", again, err)
	}
	var records []journal.Record
	_, err = ledger.ReadLog(b.dir, planned, journal.Tail{}, func(r journal.Record) error {
		r.Payload = slices.Clone(r.Payload)
		records = append(records, r)
		return nil
	})
	enginetest.Must(t, err)
	// The log is cut behind each of its records in turn.
	decisions := 0
	for cut := range records {
		l, err := ledger.New(planned)
		enginetest.Must(t, err)
		for _, r := range records[:cut+1] {
			enginetest.Must(t, l.Apply(r))
		}
		enginetest.Must(t, l.Account().Check())
		if live, _, _ := l.Unsettled(); l.Facts().Starts == 2 && live != resent(l) { // nothing else is to be sent any more
			t.Errorf("behind record %d, %d are to be sent, and %d were decided about", cut, live, resent(l))
		}
		if said := strings.Contains(l.Facts().LastControl, "ann: the patients were asked"); resent(l) > 0 && !said {
			t.Errorf("behind record %d, %d are sent again, and nobody has decided it", cut, resent(l))
		} else if said {
			decisions++
		}
	}
	if decisions != 7 { // the decision, one for each message, and the end of the command
		t.Errorf("%d records tell of the decision", decisions)
	}
	if l := b.ledger(); resent(l) != 5 {
		t.Errorf("%d of 5", resent(l))
	}
}

// resent counts the messages that a person has decided to send again.
func resent(l *ledger.Ledger) int {
	went, due := l.Resent()
	return went + due
}
