package dispatch

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// history drives the protocol with random answers, as a run does, without a run.
type history struct {
	*rapid.T
	log   *ledger.Log
	build plan.Builder
	kind  engine.Kind
	now   time.Time
}

// round sends one random form that may be sent, and takes a random answer to it.
func (h *history) round() {
	var forms []plan.FormID
	for b := range uint32(h.log.Ledger.Plan.Batches()) {
		for id, s := range h.log.Ledger.Forms(b) {
			if !s.IsSettled() && !s.IsPending() {
				forms = append(forms, id)
			}
		}
	}
	if len(forms) == 0 {
		return
	}
	id := rapid.SampledFrom(forms).Draw(h.T, "form")
	h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(h.T, "later")))
	a := &record.Attempt{Form: id, N: h.log.Ledger.State(id).Attempts + 1, At: h.now}
	h.ok(h.log.Attempt(a))
	h.ok(h.log.Attempted(a))
	if rapid.IntRange(0, 4).Draw(h.T, "no answer before the next start") == 0 {
		return
	}
	h.answer(id, a.N, engine.Reply(rapid.IntRange(int(engine.Unknown), int(engine.Unsent)).Draw(h.T, "reply")))
}

func (h *history) ok(err error) {
	if err != nil {
		h.Fatal(err)
	}
}

func (h *history) answer(id plan.FormID, n uint16, reply engine.Reply) {
	planned, err := h.log.Ledger.Plan.Batch(id.Batch)
	h.ok(err)
	form, err := h.log.Ledger.Form(id)
	h.ok(err)
	var out plan.Body
	h.ok(h.build.Rebuild(&out, &planned, id, &form))
	// The run itself, which this tests, does the rest.
	r := &run{job: Job{Plan: h.log.Ledger.Plan, Log: h.log, Sink: kindOf{kind: h.kind}}.withDefaults(), log: h.log, ledger: h.log.Ledger, workers: &workers{builder: h.build}, goodSoFar: map[uint32]int{}}
	r.queue, r.stopWaiting = newQueue(h.log.Ledger, h.kind, false, h.now), func() {}
	answer := engine.Answer{Reply: reply, Status: 200, Code: fmt.Sprintf("CODE_%d", reply)}
	for _, m := range out.Messages {
		answer.IDs = append(answer.IDs, "id-"+m.String())
	}
	for i := range out.Messages {
		if i == 0 || rapid.Bool().Draw(h.T, "refused") {
			answer.Rows = append(answer.Rows, engine.RowError{Index: i, Code: "BAD", Reason: "bad"})
		}
	}
	res := result{task: task{id: id, n: n, planned: planned, form: form}, body: &out, attempt: &record.Attempt{Form: id, N: n}, answer: answer}
	h.ok(r.applyStep(ledger.Decide(h.kind, h.log.Ledger.State(id), answer, h.now), res, h.now))
}

type kindOf struct {
	enginetest.Encoding
	kind engine.Kind
}

func (k kindOf) Kind() engine.Kind { return k.kind }

// Random plans and random answers, with starts in between: the account adds up after
// every record, and the log replayed from nothing gives the very same ledger.
func TestRandomHistories(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(folder, "run")
		enginetest.Must(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		p := enginetest.DrawPeople(rt)
		planned := enginetest.SealPlan(t, dir, p, engine.Limits{Messages: rapid.IntRange(1, 9).Draw(rt, "messages"), Bytes: 1 << 20})
		defer func() { _ = planned.Close() }()
		h := &history{T: rt, build: plan.Builder{References: enginetest.TestRun.References(), Source: p, Sink: enginetest.Encoding{}}, now: time.UnixMilli(1_795_000_000_000)}
		if rapid.Bool().Draw(rt, "packed") { // else each first attempt is too far from the plan's time
			planned.Created = h.now
		}
		h.kind = rapid.SampledFrom([]engine.Kind{engine.Deduplicates, engine.Deduplicates, engine.CanBeAsked}).Draw(rt, "kind")
		for start := range rapid.IntRange(1, 3).Draw(rt, "starts") {
			h.log, err = ledger.Open(dir, planned)
			h.ok(err)
			h.ok(h.log.Open(ledger.Start{At: h.now, Version: "test", Key: fmt.Sprint("key", start)}))
			for range rapid.IntRange(0, 12).Draw(rt, "rounds") {
				h.round()
				h.ok(h.log.Ledger.Account().Check())
				h.ok(recount(h.log.Ledger))
			}
			h.ok(h.log.Close())
			replayed, err := ledger.Read(dir, planned)
			h.ok(err)
			if diff := difference(h.log.Ledger, replayed); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

// recount compares the totals that the fold keeps with what all the forms and rows come to.
func recount(l *ledger.Ledger) error {
	all, routes := ledger.Account{Records: l.Plan.Records, Fates: map[person.Fate]int64{}}, make([]map[person.Fate]int64, max(1, len(l.Plan.Routes)))
	for fate, n := range l.Plan.Static {
		all.Fates[person.Fate(fate)] += n
	}
	for i := range routes {
		routes[i] = map[person.Fate]int64{}
	}
	var live, held, foreign, went, due int
	var left, settleable int64
	add := func(batch uint32, fate person.Fate, n int) {
		route := 0
		if len(routes) > 1 {
			route = l.Plan.RouteOfBatch(batch)
		}
		all.Fates[fate] += int64(n)
		routes[route][fate] += int64(n)
	}
	for _, id := range formIDs(l) {
		s := l.State(id)
		if s.Phase == ledger.Replaced {
			continue
		}
		add(id.Batch, s.Fate(), int(s.Messages))
		switch {
		case s.Phase == ledger.Held:
			held++
		case s.Phase == ledger.Foreign:
			foreign++
		case !s.IsSettled():
			live++
		}
		if !s.IsSettled() {
			left += int64(s.Messages)
		}
		if (s.IsPending() || s.IsDoubtful()) && !s.Resend.IsDue() {
			settleable += int64(s.Messages)
		}
		switch {
		case !s.IsSettled() && s.Resend.IsDue():
			due += int(s.Messages)
		case s.Resend.IsDone():
			went += int(s.Messages)
		}
	}
	for batch := range uint32(l.Plan.Batches()) {
		add(batch, person.Refused, len(l.Refused(batch)))
		add(batch, person.Suppressed, len(l.LeftOut(batch)))
	}
	for i, r := range l.ByRoute() {
		for fate, n := range l.Plan.Routes[i].Static {
			routes[i][person.Fate(fate)] += n
		}
		if !sameFates(routes[i], r.Account.Fates) {
			return fmt.Errorf("route %s comes to %v, and the ledger says %v", r.Name, routes[i], r.Account.Fates)
		}
	}
	account, left2 := l.Tally()
	one := fmt.Sprint(all.Counts(), left, live, held, foreign, settleable, went, due)
	l2, h2, f2 := l.Unsettled()
	w2, d2 := l.Resent()
	if other := fmt.Sprint(account.Counts(), left2, l2, h2, f2, l.Settleable(), w2, d2); one != other {
		return fmt.Errorf("the forms come to %s, and the ledger says %s", one, other)
	}
	return nil
}

func sameFates(a, b map[person.Fate]int64) bool {
	return !slices.ContainsFunc(person.Fates, func(f person.Fate) bool { return a[f] != b[f] })
}

// difference tells the first form that stands differently in two ledgers. Where the
// record that settled it stands is known to a replay alone.
func difference(live, replayed *ledger.Ledger) string {
	text := func(l *ledger.Ledger, id plan.FormID) string {
		s := l.State(id)
		reason := l.Reason(s)
		s.Reason, s.Settled = 0, 0
		form, _ := l.Form(id)
		return fmt.Sprintf("%+v %+v %s %v", form, s, reason, l.Refused(id.Batch))
	}
	for _, id := range formIDs(live) {
		if one, other := text(live, id), text(replayed, id); one != other {
			return fmt.Sprintf("form %v is %s and replayed %s", id, one, other)
		}
	}
	whole := func(l *ledger.Ledger) string {
		return fmt.Sprint(formIDs(l), l.Account(), l.Facts().Starts, l.Facts().FirstStart.UnixMilli(), l.Facts().Key, l.Facts().Closed, l.Facts().Superseded, l.Facts().LastControl, l.Facts().Attempts, l.Traffic())
	}
	if one, other := whole(live), whole(replayed); one != other {
		return one + " and replayed " + other
	}
	return ""
}
