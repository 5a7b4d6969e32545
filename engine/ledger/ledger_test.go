package ledger

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// step is one record of a history that a table tells.
type step struct {
	record record.Record
	legal  bool
}

func TestTransitions(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	first, part := plan.FormID{}, plan.FormID{Revision: 1}
	open := &record.RunOpened{Plan: planned.Digest}
	try := func(id plan.FormID, n uint16) *record.Attempt {
		return &record.Attempt{Form: id, N: n, At: time.UnixMilli(int64(n))}
	}
	answer := func(id plan.FormID, n uint16, r record.Result) *record.Outcome {
		return &record.Outcome{Form: id, N: n, Result: r}
	}
	doubt := func(id plan.FormID, n uint16) *record.InDoubt { return &record.InDoubt{Form: id, N: n} }
	split := func(n, number uint16, messages ...uint32) *record.Revision {
		r := &record.Revision{Form: first, N: n, Number: number}
		for _, m := range messages {
			r.Parts = append(r.Parts, plan.Form{Messages: m})
		}
		return r
	}
	for sentence, history := range map[string][]step{
		"an attempt is accepted":                          {{try(first, 1), true}, {answer(first, 1, record.ResultAccepted), true}},
		"it cannot be accepted twice":                     {{try(first, 1), true}, {answer(first, 1, record.ResultAccepted), true}, {answer(first, 1, record.ResultAccepted), false}},
		"nor tried again":                                 {{try(first, 1), true}, {answer(first, 1, record.ResultAccepted), true}, {try(first, 2), false}},
		"an answer needs an attempt":                      {{answer(first, 1, record.ResultAccepted), false}},
		"a doubt needs an attempt":                        {{doubt(first, 1), false}},
		"an answer is to the latest attempt":              {{try(first, 1), true}, {answer(first, 2, record.ResultAccepted), false}},
		"an attempt waits for the answer before":          {{try(first, 1), true}, {try(first, 2), false}},
		"attempts are counted without a gap":              {{try(first, 2), false}},
		"and never from zero":                             {{try(first, 0), false}},
		"not accepted, and tried again":                   {{try(first, 1), true}, {answer(first, 1, record.ResultNotAccepted), true}, {try(first, 2), true}},
		"in doubt, and replayed":                          {{try(first, 1), true}, {doubt(first, 1), true}, {try(first, 2), true}, {answer(first, 2, record.ResultAcceptedUnknown), true}},
		"a duplicate answer proves nothing without doubt": {{try(first, 1), true}, {answer(first, 1, record.ResultAcceptedUnknown), false}},
		"left without an answer by a crash":               {{try(first, 1), true}, {open, true}, {try(first, 2), true}, {answer(first, 2, record.ResultAcceptedUnknown), true}},
		"and the dead process's answer comes too late":    {{try(first, 1), true}, {open, true}, {answer(first, 1, record.ResultAccepted), false}},
		"held is the end":                                 {{try(first, 1), true}, {answer(first, 1, record.ResultHeld), true}, {try(first, 2), false}},
		"foreign is the end":                              {{try(first, 1), true}, {answer(first, 1, record.ResultForeign), true}, {try(first, 2), false}},
		"a result that does not exist":                    {{try(first, 1), true}, {answer(first, 1, 9), false}},
		"a batch that does not exist":                     {{try(plan.FormID{Batch: 2}, 1), false}},
		"a part of the planned form":                      {{try(plan.FormID{Part: 1}, 1), false}},
		"a revision that was never made":                  {{try(part, 1), false}},
		"split in two":                                    {{try(first, 1), true}, {split(1, 1, 1, 2), true}, {try(part, 1), true}, {try(plan.FormID{Revision: 1, Part: 1}, 1), true}, {try(plan.FormID{Revision: 1, Part: 2}, 1), false}},
		"what was split is not sent any more":             {{try(first, 1), true}, {split(1, 1, 1, 2), true}, {try(first, 2), false}},
		"a revision loses nobody":                         {{try(first, 1), true}, {split(1, 1, 1, 1), false}},
		"a revision invents nobody":                       {{try(first, 1), true}, {split(1, 1, 2, 2), false}},
		"revisions are counted without a gap":             {{try(first, 1), true}, {split(1, 2, 3), false}},
		"a revision answers an attempt":                   {{split(1, 1, 3), false}},
		"a revision that refuses everybody":               {{try(first, 1), true}, {&record.Revision{N: 1, Number: 1, Refused: make([]record.RefusedRow, 3)}, true}},
		"a start of another plan":                         {{&record.RunOpened{}, false}},
	} {
		l, err := New(planned)
		enginetest.Must(t, err)
		enginetest.Must(t, l.Fold(open, journal.Position{}))
		for i, s := range history {
			if err := l.Fold(s.record, journal.Position{}); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) && !errors.As(err, new(*plan.ChangedError)) {
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
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	open := &record.RunOpened{Plan: planned.Digest}
	try := func(n uint16) *record.Attempt { return &record.Attempt{N: n, At: time.UnixMilli(int64(n))} }
	early := func(n uint16) *record.Outcome {
		return &record.Outcome{N: n, Result: record.ResultNotAccepted, Status: 425, Code: "TOO_EARLY"}
	}
	busy := func(n uint16) *record.Outcome {
		return &record.Outcome{N: n, Result: record.ResultNotAccepted, Status: 429}
	}
	refused := []record.RefusedRow{{Position: 1, Code: "INVALID"}}
	rest := []plan.Form{{From: 0, To: 3, Dropped: []uint32{1}, Messages: 2}}
	list := &record.Revision{Number: 1, Parts: rest, Refused: refused, Code: CodeListed}
	revise := func(n uint16, sure bool) *record.Revision {
		return &record.Revision{N: n, Number: 1, Parts: rest, Refused: refused, Sure: sure}
	}
	for sentence, test := range map[string]struct {
		history  []step
		doubtful int64
		unsure   bool
	}{
		"it leaves the message in doubt":             {[]step{{try(1), true}, {early(1), true}}, 3, false},
		"and a refusal since does not change that":   {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {busy(2), true}}, 3, false},
		"a duplicate's answer is our own acceptance": {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {&record.Outcome{N: 2, Result: record.ResultAcceptedUnknown}, true}}, 0, false},
		"it was halted for a duplicate's answer":     {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {&record.Outcome{N: 2, Result: record.ResultForeign}, true}}, 3, false},
		"a list replaced it":                         {[]step{{try(1), true}, {early(1), true}, {list, true}}, 0, false},
		"not after a doubt of another kind":          {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {&record.InDoubt{N: 2}, true}, {list, false}}, 3, false},
		"nor after a crash":                          {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {open, true}, {list, false}}, 3, false},
		"a refusal replaced it":                      {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {revise(2, true), true}}, 0, false},
		"and one that this version wrote":            {[]step{{try(1), true}, {early(1), true}, {try(2), true}, {revise(2, false), true}}, 0, true},
		"a refusal alone is no doubt":                {[]step{{try(1), true}, {busy(1), true}}, 0, false},
	} {
		l, err := New(planned)
		enginetest.Must(t, err)
		enginetest.Must(t, l.Fold(open, journal.Position{}))
		for i, s := range test.history {
			if err := l.Fold(s.record, journal.Position{}); (err == nil) != s.legal {
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
		"under way":                  {State{Attempts: 1, Phase: Attempted}, person.InDoubt},
		"in doubt":                   {State{Attempts: 1, Phase: InDoubt}, person.InDoubt},
		"accepted":                   {State{Attempts: 1, Phase: Accepted}, person.Accepted},
		"accepted by an earlier one": {State{Attempts: 2, Phase: AcceptedUnknown}, person.Accepted},
		"held":                       {State{Attempts: 1, Phase: Held}, person.InDoubt},
		"somebody else's reference":  {State{Attempts: 1, Phase: Foreign}, person.InDoubt},
	} {
		if got := test.state.Fate(); got != test.want {
			t.Errorf("%s: %s", sentence, got)
		}
	}
	wrong := Account{Records: 3, Fates: map[person.Fate]int64{person.Accepted: 2}}
	enginetest.CheckError(t, "an account that loses somebody", wrong.Check(), "does not add up")
}

// The second copy of the revisions is brought up to the log, and a log that is older
// than it is refused.
func TestTheSecondCopyOfTheRevisions(t *testing.T) {
	dir := t.TempDir()
	plan := enginetest.SealPlan(t, dir, enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	before, old := filepath.Join(dir, RevisionsFolder), filepath.Join(t.TempDir(), "log")
	log, err := Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(Start{}))
	enginetest.Must(t, log.Close())
	enginetest.CopyFolder(t, filepath.Join(dir, LogFolder), old)
	log, err = Open(dir, plan)
	enginetest.Must(t, err)
	a := &record.Attempt{N: 1}
	enginetest.Must(t, log.Attempt(a))
	enginetest.Must(t, log.Attempted(a))
	enginetest.Must(t, log.Revised(&record.Revision{N: 1, Number: 1, Refused: make([]record.RefusedRow, 3)}))
	enginetest.Must(t, log.Close())
	want := enginetest.Kept(t, dir, plan)
	if len(want) != 1 {
		t.Fatalf("%d revisions are kept", len(want))
	}
	enginetest.Must(t, os.RemoveAll(before)) // the power went between the two
	log, err = Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Close())
	if got := enginetest.Kept(t, dir, plan); len(got) != 1 || got[0] != want[0] {
		t.Errorf("the copy was not made up for: %q", got)
	}
	enginetest.Must(t, os.RemoveAll(filepath.Join(dir, LogFolder)))
	enginetest.CopyFolder(t, old, filepath.Join(dir, LogFolder))
	if _, err := Open(dir, plan); !errors.Is(err, ErrIllegal) {
		t.Errorf("a log from a backup: %v", err)
	}
}

// Controls, and what a start says of itself, are remembered.
func TestFactsOfARun(t *testing.T) {
	dir := t.TempDir()
	plan := enginetest.SealPlan(t, dir, enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000 + rand.Int64N(1000))
	log, err := Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(Start{At: at, Version: "v", Key: "one"}))
	enginetest.Must(t, log.Finish(at, log.Ledger.Account()))
	enginetest.Must(t, log.Supersede(at, enginetest.TestRun, "/elsewhere"))
	enginetest.Must(t, log.Close())
	l, err := Read(dir, plan)
	enginetest.Must(t, err)
	if l.facts.Superseded != enginetest.TestRun.Short()+" in /elsewhere" || !l.facts.Closed || l.facts.Key != "one" || l.facts.Starts != 1 || !l.facts.FirstStart.Equal(at) {
		t.Errorf("%+v", l)
	}
	log, err = Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(Start{At: at.Add(time.Hour), Key: "two"}))
	enginetest.Must(t, log.Close())
	if l, err = Read(dir, plan); err != nil || l.facts.Closed || l.facts.Key != "two" || l.facts.Starts != 2 || !l.facts.FirstStart.Equal(at) {
		t.Errorf("%+v, %v", l, err)
	}
}
