package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/journal"
	"cohort/ingest/person"
)

// sealForgetful seals a plan of single messages to a service that takes whatever it is sent.
func sealForgetful(t testing.TB, dir string, p *people) {
	t.Helper()
	batches, err := Cut(t.Context(), testRun, p, encoding{}, Limits{Messages: 1, Bytes: 1 << 20})
	must(t, err)
	header := testHeader(p)
	header.NeverAgain = true
	must(t, Seal(dir, header, batches, nil))
}

func TestFromWhenOnAMessageMayBeSentAgain(t *testing.T) {
	for _, test := range []struct{ sentence, last, from string }{
		{"in the morning", "2026-11-21T06:00:00Z", "2026-11-23T01:00:00Z"},
		{"in the evening", "2026-11-21T22:59:59Z", "2026-11-23T01:00:00Z"},
		{"so late that it may be the next day for the service", "2026-11-21T23:00:00Z", "2026-11-24T01:00:00Z"},
		{"at midnight", "2026-11-22T00:00:00Z", "2026-11-24T01:00:00Z"},
		{"in summer, in another time zone", "2026-07-01T00:30:00+01:00", "2026-07-03T01:00:00Z"},
	} {
		last, err := time.Parse(time.RFC3339, test.last)
		must(t, err)
		if got := ResendFrom(last).Format(time.RFC3339); got != test.from {
			t.Errorf("%s: %s", test.sentence, got)
		}
	}
}

// What an answer to a message that is sent again means: it speaks for its own attempt
// alone, and the message stays in doubt until something accepts it.
func TestDecideAboutWhatIsSentAgain(t *testing.T) {
	for reply, want := range map[Reply]Step{
		Accepted: StepAccept, Known: StepHold, RowsRefused: StepHold, TooLarge: StepHold,
		Refused: StepAgain, Unsent: StepAgain, Unknown: StepHold,
	} {
		for _, s := range []Resending{toBeResent, toBeResent | wasResent} {
			if got := Decide(CanBeAsked, State{Messages: 1, Attempts: 2, InDoubt: true, Pending: true, Resend: s}, Answer{Reply: reply}, time.Now()); got != want {
				t.Errorf("reply %d: step %d, want %d", reply, got, want)
			}
		}
		if got := Decide(CanBeAsked, State{Messages: 1, Attempts: 2, InDoubt: true, Pending: true, Resend: wasResent}, Answer{Reply: reply}, time.Now()); got != StepHold {
			t.Errorf("reply %d to a message that nobody has decided about anew: step %d", reply, got)
		}
	}
}

// Nothing is sent again but by a decision that a Control record tells of, and nobody but
// who is in doubt.
func TestTransitionsOfWhatIsSentAgain(t *testing.T) {
	dir := t.TempDir()
	sealForgetful(t, dir, newPeople(2, 1, nil))
	plan := openPlan(t, dir)
	first, second := FormID{}, FormID{Batch: 1}
	open := &runOpened{Plan: plan.Digest}
	try := func(id FormID, n uint16) *attempt { return &attempt{Form: id, N: n, At: time.UnixMilli(int64(n))} }
	answer := func(n uint16, r Result) *outcome { return &outcome{Form: first, N: n, Result: r} }
	decided := &control{Verb: controlResent, Detail: "ann: why"}
	other := &control{Verb: controlHalted}
	resend := func(id FormID) *resolved { return &resolved{Form: id, Result: ResultResend} }
	receipt := &resolved{Form: first, Result: ResultAccepted, IDs: []string{"x"}}
	late := &listedLate{Batch: 0, People: []RefusedRow{{Position: 0, Code: "ceased"}}}
	lost := &recovered{Plan: plan.Digest}
	held := []step{{try(first, 1), true}, {answer(1, ResultHeld), true}}
	again := append(slices.Clone(held), step{decided, true}, step{resend(first), true})
	after := func(before []step, more ...step) []step { return append(slices.Clone(before), more...) }
	for sentence, test := range map[string]struct {
		history []step
		fate    person.Fate
	}{
		"decided, sent and accepted":                   {after(again, step{try(first, 2), true}, step{answer(2, ResultAccepted), true}), person.Accepted},
		"decided, and not sent yet":                    {again, person.InDoubt},
		"decided, and a process dies on the way":       {after(again, step{try(first, 2), true}, step{open, true}, step{try(first, 3), false}), person.InDoubt},
		"and is decided anew":                          {after(again, step{try(first, 2), true}, step{open, true}, step{decided, true}, step{resend(first), true}, step{try(first, 3), true}), person.InDoubt},
		"held again is the end":                        {after(again, step{try(first, 2), true}, step{answer(2, ResultHeld), true}, step{try(first, 3), false}), person.InDoubt},
		"certainly not accepted, it is tried again":    {after(again, step{try(first, 2), true}, step{answer(2, ResultNotAccepted), true}, step{try(first, 3), true}), person.InDoubt},
		"a process that starts before it is sent":      {after(again, step{open, true}, step{try(first, 2), true}), person.InDoubt},
		"a receipt comes before it is sent":            {after(again, step{receipt, true}, step{try(first, 2), false}), person.Accepted},
		"a receipt while it is under way":              {after(again, step{try(first, 2), true}, step{receipt, false}), person.InDoubt},
		"a receipt afterwards":                         {after(again, step{try(first, 2), true}, step{answer(2, ResultHeld), true}, step{receipt, true}), person.Accepted},
		"somebody who is listed before it is sent":     {after(again, step{late, true}, step{try(first, 2), false}), person.InDoubt},
		"somebody who was listed":                      {after(held, step{late, true}, step{decided, true}, step{resend(first), false}), person.InDoubt},
		"nobody has decided":                           {after(held, step{resend(first), false}), person.InDoubt},
		"something else was decided":                   {after(held, step{other, true}, step{resend(first), false}), person.InDoubt},
		"something comes between":                      {after(held, step{decided, true}, step{open, true}, step{resend(first), false}), person.InDoubt},
		"twice by one decision":                        {after(again, step{resend(first), false}), person.InDoubt},
		"another by the same decision":                 {after(held, step{try(second, 1), true}, step{open, true}, step{decided, true}, step{resend(first), true}, step{resend(second), true}), person.InDoubt},
		"somebody who was never sent to":               {[]step{{decided, true}, {resend(first), false}}, person.NotSent},
		"somebody who was accepted":                    {[]step{{try(first, 1), true}, {answer(1, ResultAccepted), true}, {decided, true}, {resend(first), false}}, person.Accepted},
		"somebody whom only a lost log knew":           {[]step{{lost, true}, {decided, true}, {resend(first), false}}, person.InDoubt},
		"a message that there is not":                  {[]step{{decided, true}, {resend(FormID{Batch: 9}), false}}, person.NotSent},
		"a refusal by rows of one that was sent again": {after(again, step{try(first, 2), true}, step{outcomeOf(Decide(CanBeAsked, State{InDoubt: true, Resend: toBeResent}, Answer{Reply: RowsRefused}, time.Now()), first, 2, Answer{}, time.Now()), true}), person.InDoubt},
	} {
		l, err := NewLedger(plan)
		must(t, err)
		if test.history[0].record != lost {
			must(t, l.apply(open, noPosition))
		}
		for i, s := range test.history {
			if err := l.apply(s.record, noPosition); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			must(t, l.Account().Check())
		}
		if fate := l.State(first).Fate(); fate != test.fate {
			t.Errorf("%s: it is %s", sentence, fate)
		}
	}
	// Where the service takes a reference once, a replay settles what is in doubt.
	plain := t.TempDir()
	l, err := NewLedger(sealPlan(t, plain, newPeople(2, 1, nil), Limits{Messages: 1, Bytes: 1 << 20}))
	must(t, err)
	for _, r := range []any{&runOpened{Plan: l.plan.Digest}, held[0].record, held[1].record, decided} {
		must(t, l.apply(r, noPosition))
	}
	checkError(t, "where replays settle it", l.apply(resend(first), noPosition), "nobody has decided about")
}

// decide is a person who reads the receipts and has sent again what they do not name.
func (b *bench) decide(receipts map[Reference]string, listed map[int64]string, now time.Time, change func(*Resend)) (*Resend, error) {
	b.Helper()
	plan := openPlan(b.T, b.dir)
	defer func() { _ = plan.Close() }()
	log, err := OpenProgressLog(b.dir, plan)
	must(b.T, err)
	defer func() { must(b.T, log.Close()) }()
	must(b.T, log.Open(Start{At: now}))
	forms, _, err := log.Doubtful(b.people)
	must(b.T, err)
	found, inDoubt := map[FormID]string{}, map[FormID]bool{}
	for r, id := range forms {
		inDoubt[id] = true
		if id, there := receipts[r]; there {
			found[forms[r]] = id
		}
	}
	attempted, err := Attempts(b.dir, plan, func(id FormID) bool { return inDoubt[id] })
	must(b.T, err)
	again, err := log.Ledger.Resend(b.Context(), found, attempted, "", b.people.listed(listed), now)
	must(b.T, err)
	if change != nil {
		change(again)
	}
	must(b.T, log.Found(now, found))
	return again, log.Resend(again, "ann", "the patients were asked", now)
}

// A run whose answers are lost, receipts that name some of the messages, a list that
// names one, and a person who has the others sent again. Each of those is accepted once
// more at the most, and nobody else is sent to.
func TestMessagesInDoubtAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.forgetful = true
		lost := func(n int, r *Request) (Answer, bool) {
			if n%3 == 0 { // accepted, and nobody hears of it; or lost on the way
				if n%6 == 0 {
					s.take(r)
				}
				return Answer{Reply: Unknown, Code: "timeout"}, true
			}
			return Answer{}, false
		}
		s.fault = lost
		b := &bench{t, newPeople(60, 1, nil), t.TempDir()}
		sealForgetful(t, b.dir, b.people)
		one := func(j *Job) { j.Ceiling = 1 }
		summary, err := b.start(t.Context(), &connection{kind: CanBeAsked, service: s}, one)
		must(t, err)
		if summary.Account.Fates[person.InDoubt] != 20 || summary.Held != 20 {
			t.Fatalf("%+v", summary)
		}
		receipts := map[Reference]string{} // of all that were accepted but for two, whose receipts got lost
		missing := 0
		for m := range s.accepted {
			var r Reference
			copy(r[:], m)
			receipts[r] = "id-" + m
		}
		before := b.outcomes()
		var doubtful []int64
		for _, row := range slices.Backward(b.people.toSend()) {
			if m := testRun.MessageReference(row); s.accepted[m.String()] == 1 && missing < 2 && before[row].Fate == person.InDoubt {
				delete(receipts, m)
				missing++
			}
		}
		for _, row := range b.people.toSend() {
			m := testRun.MessageReference(row)
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
		if !errors.Is(err, ErrYoung) || early.Young != 11 || early.Again != 11 || early.Named != 8 || early.Listed != 1 {
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
		_, left := l.tally()
		if live, held, _ := l.Unsettled(); live != 11 || held != 1 || left != 11 || resent(l) != 11 || l.Settleable() != 0 || len(s.requests) != requests {
			t.Fatalf("%d live, %d held, %d resent", live, held, resent(l))
		}
		if !strings.Contains(l.LastControl, "resent: 11 messages in doubt, the last of them attempted at ") || !strings.Contains(l.LastControl, "by ann: the patients were asked") {
			t.Errorf("the log says %q", l.LastControl)
		}
		// A decision about the same again finds nobody, and the suppressed one stays so though
		// the list has forgotten him.
		if none, err := b.decide(receipts, nil, time.Now(), nil); err != nil || none.Again != 0 || none.Listed != 1 {
			t.Fatalf("%+v, %v", none, err)
		}
		// Who only settles sends nothing.
		_, err = b.start(t.Context(), &connection{kind: CanBeAsked, service: s}, func(j *Job) { j.Settle = true })
		if len(s.requests) != requests || err != nil {
			t.Fatalf("%d requests, %v", len(s.requests)-requests, err)
		}
		// One is not answered again, one is refused by its row, one for now.
		tries := 0
		s.bad[testRun.MessageReference(doubtful[0])] = true
		s.fault = func(_ int, r *Request) (Answer, bool) {
			switch tries++; {
			case r.Messages[0] == testRun.MessageReference(doubtful[1]):
				return Answer{Reply: Unknown, Status: 504, Code: "GATEWAY"}, true
			case r.Messages[0] == testRun.MessageReference(doubtful[2]) && tries < 30:
				tries += 30
				return Answer{Reply: Refused, Status: 429, Code: "throttled", RetryAfter: time.Second, HoldAll: true}, true
			}
			return Answer{}, false
		}
		summary, err = b.start(t.Context(), &connection{kind: CanBeAsked, service: s}, one)
		must(t, err)
		if n := len(s.requests) - requests; n != 12 || summary.Account.Fates[person.InDoubt] != 3 || summary.Account.Fates[person.Accepted] != 57 || summary.Account.Fates[person.Refused] != 0 {
			t.Fatalf("%d requests, %+v", n, summary)
		}
		after, twice := b.outcomes(), 0
		for _, row := range b.people.toSend() {
			n := s.accepted[testRun.MessageReference(row).String()]
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
func (b *bench) reasons(all map[int64]MessageOutcome, doubtful []int64) {
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

// A crash in the middle of a decision leaves some of the messages as they were, and
// nobody is to be sent to again of whom the log does not say who has decided so.
func TestADecisionThatACrashCutsShort(t *testing.T) {
	b := &bench{t, newPeople(5, 1, nil), t.TempDir()}
	sealForgetful(t, b.dir, b.people)
	plan := openPlan(t, b.dir)
	log, err := OpenProgressLog(b.dir, plan)
	must(t, err)
	must(t, log.Open(Start{At: time.Unix(0, 0)}))
	for n := range uint32(5) {
		a := &attempt{Form: FormID{Batch: n}, N: 1, At: time.Unix(0, 0)}
		must(t, log.Attempt(a))
	}
	must(t, log.Close())
	again, err := b.decide(nil, nil, time.Unix(1_000_000, 0), nil)
	if err != nil || again.Again != 5 {
		t.Fatalf("%+v, %v", again, err)
	}
	var records []journal.Record
	_, err = ReadLog(b.dir, plan, journal.Tail{}, func(r journal.Record) error {
		r.Payload = slices.Clone(r.Payload)
		records = append(records, r)
		return nil
	})
	must(t, err)
	// The log is cut behind each of its records in turn.
	decisions := 0
	for cut := range records {
		l, err := NewLedger(plan)
		must(t, err)
		for _, r := range records[:cut+1] {
			must(t, l.Apply(r))
		}
		must(t, l.Account().Check())
		if live, _, _ := l.Unsettled(); l.Starts == 2 && live != resent(l) { // nothing else is to be sent any more
			t.Errorf("behind record %d, %d are to be sent, and %d were decided about", cut, live, resent(l))
		}
		if said := strings.Contains(l.LastControl, "ann: the patients were asked"); resent(l) > 0 && !said {
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

// resent counts the messages of which a person has decided that they are sent again.
func resent(l *Ledger) int {
	went, due := l.Resent()
	return went + due
}
