package dispatch

import (
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
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
	res := result{task: task{id, n, planned, form}, body: &out, attempt: &record.Attempt{Form: id, N: n}, answer: answer}
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
		h.kind = rapid.SampledFrom([]engine.Kind{engine.Deduplicates, engine.Deduplicates, engine.CanBeAsked}).Draw(rt, "kind")
		for start := range rapid.IntRange(1, 3).Draw(rt, "starts") {
			h.log, err = ledger.Open(dir, planned)
			h.ok(err)
			h.ok(h.log.Open(ledger.Start{At: h.now, Version: "test", Key: fmt.Sprint("key", start)}))
			for range rapid.IntRange(0, 12).Draw(rt, "rounds") {
				h.round()
				h.ok(h.log.Ledger.Account().Check())
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

// difference tells the first form that stands differently in two ledgers. Where the
// record that settled it stands is known to a replay alone.
func difference(live, replayed *ledger.Ledger) string {
	text := func(l *ledger.Ledger, id plan.FormID) string {
		s := l.State(id)
		reason := l.Reason(s)
		s.Reason, s.Settled = 0, record.Spot{}
		form, _ := l.Form(id)
		return fmt.Sprintf("%+v %+v %s %v", form, s, reason, l.Refused(id.Batch))
	}
	for _, id := range live.FormIDs() {
		if one, other := text(live, id), text(replayed, id); one != other {
			return fmt.Sprintf("form %v is %s and replayed %s", id, one, other)
		}
	}
	whole := func(l *ledger.Ledger) string {
		return fmt.Sprint(l.FormIDs(), l.Account(), l.Facts().Starts, l.Facts().FirstStart.UnixMilli(), l.Facts().Key, l.Facts().Closed, l.Facts().Superseded, l.Facts().LastControl, l.Facts().Attempts)
	}
	if one, other := whole(live), whole(replayed); one != other {
		return one + " and replayed " + other
	}
	return ""
}
