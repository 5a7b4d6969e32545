package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/ingest/person"
)

// step is one record of a history that a table tells.
type step struct {
	record any
	legal  bool
}

func TestTransitions(t *testing.T) {
	plan := sealPlan(t, t.TempDir(), newPeople(6, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	first, part := FormID{}, FormID{Revision: 1}
	open := &runOpened{Plan: plan.Digest}
	try := func(id FormID, n uint16) *attempt { return &attempt{Form: id, N: n, At: time.UnixMilli(int64(n))} }
	answer := func(id FormID, n uint16, r Result) *outcome { return &outcome{Form: id, N: n, Result: r} }
	doubt := func(id FormID, n uint16) *inDoubt { return &inDoubt{Form: id, N: n} }
	split := func(n, number uint16, messages ...uint32) *revision {
		r := &revision{Form: first, N: n, Number: number}
		for _, m := range messages {
			r.Parts = append(r.Parts, Form{Messages: m})
		}
		return r
	}
	for sentence, history := range map[string][]step{
		"an attempt is accepted":                          {{try(first, 1), true}, {answer(first, 1, ResultAccepted), true}},
		"it cannot be accepted twice":                     {{try(first, 1), true}, {answer(first, 1, ResultAccepted), true}, {answer(first, 1, ResultAccepted), false}},
		"nor tried again":                                 {{try(first, 1), true}, {answer(first, 1, ResultAccepted), true}, {try(first, 2), false}},
		"an answer needs an attempt":                      {{answer(first, 1, ResultAccepted), false}},
		"a doubt needs an attempt":                        {{doubt(first, 1), false}},
		"an answer is to the latest attempt":              {{try(first, 1), true}, {answer(first, 2, ResultAccepted), false}},
		"an attempt waits for the answer before":          {{try(first, 1), true}, {try(first, 2), false}},
		"attempts are counted without a gap":              {{try(first, 2), false}},
		"and never from nought":                           {{try(first, 0), false}},
		"not accepted, and tried again":                   {{try(first, 1), true}, {answer(first, 1, ResultNotAccepted), true}, {try(first, 2), true}},
		"in doubt, and replayed":                          {{try(first, 1), true}, {doubt(first, 1), true}, {try(first, 2), true}, {answer(first, 2, ResultAcceptedUnknown), true}},
		"a duplicate answer proves nothing without doubt": {{try(first, 1), true}, {answer(first, 1, ResultAcceptedUnknown), false}},
		"left without an answer by a crash":               {{try(first, 1), true}, {open, true}, {try(first, 2), true}, {answer(first, 2, ResultAcceptedUnknown), true}},
		"and the dead process's answer comes too late":    {{try(first, 1), true}, {open, true}, {answer(first, 1, ResultAccepted), false}},
		"held is the end":                                 {{try(first, 1), true}, {answer(first, 1, ResultHeld), true}, {try(first, 2), false}},
		"foreign is the end":                              {{try(first, 1), true}, {answer(first, 1, ResultForeign), true}, {try(first, 2), false}},
		"a result that there is not":                      {{try(first, 1), true}, {answer(first, 1, 9), false}},
		"a batch that there is not":                       {{try(FormID{Batch: 2}, 1), false}},
		"a part of the planned form":                      {{try(FormID{Part: 1}, 1), false}},
		"a revision that was never made":                  {{try(part, 1), false}},
		"split in two":                                    {{try(first, 1), true}, {split(1, 1, 1, 2), true}, {try(part, 1), true}, {try(FormID{Revision: 1, Part: 1}, 1), true}, {try(FormID{Revision: 1, Part: 2}, 1), false}},
		"what was split is not sent any more":             {{try(first, 1), true}, {split(1, 1, 1, 2), true}, {try(first, 2), false}},
		"a revision loses nobody":                         {{try(first, 1), true}, {split(1, 1, 1, 1), false}},
		"a revision invents nobody":                       {{try(first, 1), true}, {split(1, 1, 2, 2), false}},
		"revisions are counted without a gap":             {{try(first, 1), true}, {split(1, 2, 3), false}},
		"a revision answers an attempt":                   {{split(1, 1, 3), false}},
		"a revision that refuses everybody":               {{try(first, 1), true}, {&revision{N: 1, Number: 1, Refused: make([]RefusedRow, 3)}, true}},
		"a start of another plan":                         {{&runOpened{}, false}},
	} {
		l, err := NewLedger(plan)
		must(t, err)
		must(t, l.apply(open, noPosition))
		for i, s := range history {
			if err := l.apply(s.record, noPosition); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) && !errors.As(err, new(*PlanChangedError)) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			if err := l.Account().Check(); s.legal && err != nil {
				t.Errorf("%s: %v", sentence, err)
			}
		}
	}
}

// Older versions wrote a 425 down as not accepted. It is read as doubt; what such a version
// has written behind it is still read, though it took the doubt for none.
func TestA425InTheLogOfAnOlderVersion(t *testing.T) {
	plan := sealPlan(t, t.TempDir(), newPeople(3, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	open := &runOpened{Plan: plan.Digest}
	try := func(n uint16) *attempt { return &attempt{N: n, At: time.UnixMilli(int64(n))} }
	early := func(n uint16) *outcome {
		return &outcome{N: n, Result: ResultNotAccepted, Status: 425, Code: "TOO_EARLY"}
	}
	busy := func(n uint16) *outcome { return &outcome{N: n, Result: ResultNotAccepted, Status: 429} }
	refused := []RefusedRow{{Position: 1, Code: "INVALID"}}
	rest := []Form{{From: 0, To: 3, Dropped: []uint32{1}, Messages: 2}}
	list := &revision{Number: 1, Parts: rest, Refused: refused, Code: codeListed}
	revise := func(n uint16, sure bool) *revision {
		return &revision{N: n, Number: 1, Parts: rest, Refused: refused, Sure: sure}
	}
	for sentence, test := range map[string]struct {
		history  []step
		doubtful int64
		unsure   bool
	}{
		"it leaves the message in doubt":             {[]step{{try(1), true}, {early(1), true}}, 3, false},
		"and a refusal since does not change that":   {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {busy(2), true}}, 3, false},
		"a duplicate's answer is our own acceptance": {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {&outcome{N: 2, Result: ResultAcceptedUnknown}, true}}, 0, false},
		"it was halted for a duplicate's answer":     {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {&outcome{N: 2, Result: ResultForeign}, true}}, 3, false},
		"a list replaced it":                         {[]step{{try(1), true}, {early(1), true}, {list, true}}, 0, false},
		"not after a doubt of another kind":          {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {&inDoubt{N: 2}, true}, {list, false}}, 3, false},
		"nor after a crash":                          {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {open, true}, {list, false}}, 3, false},
		"a refusal replaced it":                      {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {revise(2, true), true}}, 0, false},
		"and one that this version wrote":            {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {revise(2, false), true}}, 0, true},
		"a refusal alone is no doubt":                {[]step{{try(1), true}, {busy(1), true}}, 0, false},
	} {
		l, err := NewLedger(plan)
		must(t, err)
		must(t, l.apply(open, noPosition))
		for i, s := range test.history {
			if err := l.apply(s.record, noPosition); (err == nil) != s.legal {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
		}
		if n := l.Account().Fates[person.InDoubt]; n != test.doubtful || l.unsure[0] != test.unsure {
			t.Errorf("%s: %d in doubt, unsure %v", sentence, n, l.unsure[0])
		}
	}
}

func TestFates(t *testing.T) {
	for sentence, test := range map[string]struct {
		state State
		want  person.Fate
	}{
		"never attempted":            {State{}, person.NotSent},
		"certainly not accepted":     {State{Attempts: 2}, person.NotSent},
		"under way":                  {State{Attempts: 1, Pending: true}, person.InDoubt},
		"in doubt":                   {State{Attempts: 1, InDoubt: true}, person.InDoubt},
		"accepted":                   {State{Attempts: 1, Phase: AcceptedBy}, person.Accepted},
		"accepted by an earlier one": {State{Attempts: 2, Phase: AcceptedNo}, person.Accepted},
		"held":                       {State{Attempts: 1, Phase: Held}, person.InDoubt},
		"somebody else's reference":  {State{Attempts: 1, Phase: Foreign}, person.InDoubt},
	} {
		if got := test.state.Fate(); got != test.want {
			t.Errorf("%s: %s", sentence, got)
		}
	}
	wrong := Account{Records: 3, Fates: map[person.Fate]int64{person.Accepted: 2}}
	checkError(t, "an account that loses somebody", wrong.Check(), "does not add up")
}

// history drives the protocol with random answers, as a run does, without a run.
type history struct {
	*rapid.T
	log   *ProgressLog
	build builder
	kind  Kind
	now   time.Time
}

// round sends one random form that may be sent, and takes a random answer to it.
func (h *history) round() {
	var forms []FormID
	for b := range uint32(h.log.plan.Batches()) {
		h.log.Forms(b, func(id FormID, s *State) {
			if !s.IsSettled() && !s.Pending {
				forms = append(forms, id)
			}
		})
	}
	if len(forms) == 0 {
		return
	}
	id := rapid.SampledFrom(forms).Draw(h.T, "form")
	h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(h.T, "later")))
	a := &attempt{Form: id, N: h.log.State(id).Attempts + 1, At: h.now}
	h.ok(h.log.Attempt(a))
	h.ok(h.log.attempted(a))
	if rapid.IntRange(0, 4).Draw(h.T, "no answer before the next start") == 0 {
		return
	}
	h.answer(id, a.N, Reply(rapid.IntRange(int(Unknown), int(Unsent)).Draw(h.T, "reply")))
}

func (h *history) ok(err error) {
	if err != nil {
		h.Fatal(err)
	}
}

func (h *history) answer(id FormID, n uint16, reply Reply) {
	planned, err := h.log.plan.Batch(id.Batch)
	h.ok(err)
	form, err := h.log.Form(id)
	h.ok(err)
	var out body
	h.ok(h.build.rebuild(&out, &planned, id, &form))
	// The run itself does the rest: it is what is tested.
	r := &run{Job: Job{Plan: h.log.plan, Log: h.log, Sink: kindOf{kind: h.kind}}.withDefaults(), workers: &workers{builder: h.build}, goodSoFar: map[uint32]int{}}
	r.queue, r.stopWaiting = newQueue(h.log.Ledger, h.kind, false, h.now), func() {}
	answer := Answer{Reply: reply, Status: 200, Code: fmt.Sprintf("CODE_%d", reply)}
	for _, m := range out.messages {
		answer.IDs = append(answer.IDs, "id-"+m.String())
	}
	for i := range out.messages {
		if i == 0 || rapid.Bool().Draw(h.T, "refused") {
			answer.Rows = append(answer.Rows, RowError{Index: i, Code: "BAD", Reason: "bad"})
		}
	}
	res := result{errand: errand{id, n, planned, form}, body: &out, attempt: &attempt{Form: id, N: n}, answer: answer}
	h.ok(r.take(Decide(h.kind, h.log.State(id), answer, h.now), res, h.now))
}

type kindOf struct {
	encoding
	kind Kind
}

func (k kindOf) Kind() Kind { return k.kind }

// Random plans and random answers, with starts in between: the account adds up after
// every record, and the log replayed from nothing gives the very same ledger.
func TestRandomHistories(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(folder, "run")
		must(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		p := drawPeople(rt)
		plan := sealPlan(t, dir, p, Limits{Messages: rapid.IntRange(1, 9).Draw(rt, "messages"), Bytes: 1 << 20})
		defer func() { _ = plan.Close() }()
		h := &history{T: rt, build: builder{testRun, p, encoding{}}, now: time.UnixMilli(1_795_000_000_000)}
		h.kind = rapid.SampledFrom([]Kind{Deduplicates, Deduplicates, CanBeAsked}).Draw(rt, "kind")
		for start := range rapid.IntRange(1, 3).Draw(rt, "starts") {
			h.log, err = OpenProgressLog(dir, plan)
			h.ok(err)
			h.ok(h.log.Open(Start{At: h.now, Version: "test", Key: fmt.Sprint("key", start)}))
			for range rapid.IntRange(0, 12).Draw(rt, "rounds") {
				h.round()
				h.ok(h.log.Account().Check())
			}
			h.ok(h.log.Close())
			replayed, err := ReadLedger(dir, plan)
			h.ok(err)
			if diff := difference(h.log.Ledger, replayed); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

// difference tells the first form that stands differently in two ledgers. Where the
// record that settled it stands is known to a replay alone.
func difference(live, replayed *Ledger) string {
	plain := func(l *Ledger, s State) string {
		reason := l.Reason(s)
		s.Reason, s.Settled = 0, spot{}
		return fmt.Sprintf("%+v %s", s, reason)
	}
	for b := range live.base {
		if one, other := plain(live, live.base[b]), plain(replayed, replayed.base[b]); one != other {
			return fmt.Sprintf("batch %d is %s and replayed %s", b, one, other)
		}
		if one, other := fmt.Sprint(live.Refused(uint32(b))), fmt.Sprint(replayed.Refused(uint32(b))); one != other {
			return fmt.Sprintf("of batch %d %s are refused, and replayed %s", b, one, other)
		}
	}
	for id, n := range live.newer {
		r := replayed.newer[id]
		if r == nil || fmt.Sprint(n.Form) != fmt.Sprint(r.Form) || plain(live, n.state) != plain(replayed, r.state) {
			return fmt.Sprintf("%v is %+v and replayed %+v", id, n, r)
		}
	}
	whole := func(l *Ledger) string {
		return fmt.Sprint(len(l.newer), l.last, l.Account(), l.Starts, l.FirstStart.UnixMilli(), l.Key, l.Closed, l.Superseded, l.LastControl, l.Attempts)
	}
	if one, other := whole(live), whole(replayed); one != other {
		return one + " and replayed " + other
	}
	return ""
}

// The second copy of the revisions is brought up to the log, and a log that is older
// than it is refused.
func TestTheSecondCopyOfTheRevisions(t *testing.T) {
	dir := t.TempDir()
	plan := sealPlan(t, dir, newPeople(6, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	before, old := filepath.Join(dir, revisionsFolder), filepath.Join(t.TempDir(), "log")
	log, err := OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Open(Start{}))
	must(t, log.Close())
	copyFolder(t, filepath.Join(dir, logFolder), old)
	log, err = OpenProgressLog(dir, plan)
	must(t, err)
	a := &attempt{N: 1}
	must(t, log.Attempt(a))
	must(t, log.attempted(a))
	must(t, log.revised(&revision{N: 1, Number: 1, Refused: make([]RefusedRow, 3)}))
	must(t, log.Close())
	want := kept(t, dir, plan)
	if len(want) != 1 {
		t.Fatalf("%d revisions are kept", len(want))
	}
	must(t, os.RemoveAll(before)) // the power went between the two
	log, err = OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Close())
	if got := kept(t, dir, plan); len(got) != 1 || got[0] != want[0] {
		t.Errorf("the copy was not made up for: %q", got)
	}
	must(t, os.RemoveAll(filepath.Join(dir, logFolder)))
	copyFolder(t, old, filepath.Join(dir, logFolder))
	if _, err := OpenProgressLog(dir, plan); !errors.Is(err, ErrIllegal) {
		t.Errorf("a log from a backup: %v", err)
	}
}

// Controls, and what a start says of itself, are remembered.
func TestWhatTheLedgerRemembers(t *testing.T) {
	dir := t.TempDir()
	plan := sealPlan(t, dir, newPeople(6, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000 + rand.Int64N(1000))
	log, err := OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Open(Start{At: at, Version: "v", Key: "one"}))
	must(t, log.Finish(at, log.Account()))
	must(t, log.Supersede(at, testRun, "/elsewhere"))
	must(t, log.Close())
	l, err := ReadLedger(dir, plan)
	must(t, err)
	if l.Superseded != testRun.Short()+" in /elsewhere" || !l.Closed || l.Key != "one" || l.Starts != 1 || !l.FirstStart.Equal(at) {
		t.Errorf("%+v", l)
	}
	log, err = OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Open(Start{At: at.Add(time.Hour), Key: "two"}))
	must(t, log.Close())
	if l, err = ReadLedger(dir, plan); err != nil || l.Closed || l.Key != "two" || l.Starts != 2 || !l.FirstStart.Equal(at) {
		t.Errorf("%+v, %v", l, err)
	}
	if got := Fingerprint([32]byte{0xAB, 7: 1, 8: 9}); got != "ab00000000000001" {
		t.Errorf("the fingerprint is %s", got)
	}
}

// What a service asks for when it leaves a request in doubt for good holds over a restart
// too: its answer is an outcome then, and no doubt to be replayed.
func TestQuietOutlivesAHold(t *testing.T) {
	plan := sealPlan(t, t.TempDir(), newPeople(3, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000)
	l, err := NewLedger(plan)
	must(t, err)
	must(t, l.apply(&runOpened{Plan: plan.Digest}, noPosition))
	must(t, l.apply(&attempt{N: 1, At: at}, noPosition))
	busy := Answer{Reply: Unknown, Status: 503, RetryAfter: time.Hour, HoldAll: true}
	step := Decide(Neither, l.State(FormID{}), busy, at)
	must(t, l.apply(outcomeOf(step, FormID{}, 1, busy, at), noPosition))
	if l.State(FormID{}).Phase != Held || !l.quietAt(at).Equal(at.Add(time.Hour)) {
		t.Errorf("the form is %+v, and the service is left alone until %v", l.State(FormID{}), l.quietAt(at))
	}
}
