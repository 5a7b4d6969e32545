package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/journal"
	"cohort/ingest/person"
)

// What may follow a recovery, and what it makes of forms.
func TestTransitionsOfARecoveredLog(t *testing.T) {
	plan := sealPlan(t, t.TempDir(), newPeople(6, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	first, second, newer := FormID{}, FormID{Batch: 1}, FormID{Revision: 1}
	since := time.UnixMilli(1_795_000_000_000)
	open := &runOpened{Plan: plan.Digest}
	lost := func(revisions uint64, hold string) *recovered {
		return &recovered{Plan: plan.Digest, Since: since, Revisions: revisions, Hold: hold, Attempts: 7}
	}
	copied := &revision{Form: first, N: 3, Number: 1, Parts: []Form{{Messages: 2}}, Refused: []RefusedRow{{Position: 1}}}
	try := func(id FormID, n uint16) *attempt { return &attempt{Form: id, N: n, At: since.Add(time.Hour)} }
	answer := func(id FormID, n uint16, r Result) *outcome { return &outcome{Form: id, N: n, Result: r} }
	listed := func(position uint32) *listedLate {
		return &listedLate{Batch: 1, People: []RefusedRow{{Position: position, Code: "opted_out"}}}
	}
	decided := func(id FormID, r Result) *resolved { return &resolved{Form: id, Result: r} }
	for sentence, history := range map[string][]step{
		"a form known to the service at the first attempt": {{lost(0, ""), true}, {open, true}, {try(first, 1), true}, {answer(first, 1, ResultAcceptedUnknown), true}},
		"without a recovery it proves nothing":             {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultAcceptedUnknown), false}},
		"of another plan":                                  {{&recovered{}, false}},
		"a revision is copied, and the newer form is lost too": {{lost(1, ""), true}, {copied, true}, {open, true},
			{try(newer, 1), true}, {answer(newer, 1, ResultAcceptedUnknown), true}},
		"what it replaced is not sent any more":           {{lost(1, ""), true}, {copied, true}, {open, true}, {try(first, 1), false}},
		"nothing comes between a recovery and its copies": {{lost(1, ""), true}, {open, false}},
		"nor between two of them":                         {{lost(2, ""), true}, {copied, true}, {try(second, 1), false}},
		"more than were announced":                        {{lost(0, ""), true}, {copied, false}},
		"what is held is copied all the same":             {{lost(1, HoldForgotten), true}, {copied, true}, {open, true}, {try(newer, 1), false}},
		"and nothing of it is sent":                       {{lost(0, HoldForgotten), true}, {open, true}, {try(second, 1), false}},
		"a lost form with somebody listed waits":          {{lost(0, ""), true}, {open, true}, {listed(4), true}, {try(second, 1), false}, {try(first, 1), true}},
		"until a person says so":                          {{lost(0, ""), true}, {open, true}, {listed(4), true}, {decided(second, ResultReplay), true}, {try(second, 1), true}},
		"and waits again when others are listed":          {{lost(0, ""), true}, {listed(4), true}, {decided(second, ResultReplay), true}, {listed(5), true}, {try(second, 1), false}},
		"somebody listed in no form of it":                {{lost(0, ""), true}, {open, true}, {listed(9), true}, {try(second, 1), true}},
		"a lost form that was replayed since goes on": {{lost(0, ""), true}, {open, true}, {try(second, 1), true}, {&inDoubt{Form: second, N: 1}, true},
			{listed(4), true}, {try(second, 2), true}},
		"also when the process died meanwhile": {{lost(0, ""), true}, {open, true}, {try(second, 1), true}, {open, true}, {listed(4), true}, {try(second, 2), true}},
		"a replay that was refused proves nothing": {{lost(0, ""), true}, {open, true}, {try(second, 1), true}, {answer(second, 1, ResultNotAccepted), true},
			{listed(4), true}, {try(second, 2), false}},
		"a foreign batch is taken for ours":      {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultForeign), true}, {decided(first, ResultAcceptedUnknown), true}, {try(first, 2), false}},
		"or stays in doubt":                      {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultForeign), true}, {decided(first, ResultHeld), true}, {decided(first, ResultAcceptedUnknown), false}},
		"it is not replayed":                     {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultForeign), true}, {decided(first, ResultReplay), false}},
		"what is only in doubt asks for nothing": {{open, true}, {try(first, 1), true}, {&inDoubt{Form: first, N: 1}, true}, {decided(first, ResultAcceptedUnknown), false}},
		"nor what is held for another reason":    {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultHeld), true}, {decided(first, ResultReplay), false}},
		"nor what is held without revisions":     {{lost(0, HoldRevisionsLost), true}, {listed(4), true}, {decided(second, ResultReplay), false}},
		"nor what a replay can settle, of a receipt": {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultHeld), true},
			{&resolved{Form: first, Result: ResultAccepted, IDs: []string{"1", "2", "3"}}, false}},
		"a decision about a form there is not": {{decided(FormID{Batch: 7}, ResultReplay), false}},
		"what was accepted is not lost": {{open, true}, {try(first, 1), true}, {answer(first, 1, ResultAccepted), true}, {lost(0, ""), true},
			{try(first, 2), false}},
	} {
		l, err := NewLedger(plan)
		must(t, err)
		for i, s := range history {
			if err := l.apply(s.record, noPosition); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) && !errors.As(err, new(*PlanChangedError)) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			if err := l.Account().Check(); s.legal && err != nil {
				t.Errorf("%s: after record %d: %v", sentence, i+1, err)
			}
		}
	}
}

// Receipts settle what is held at a service that would take a message twice, once, and
// nothing else.
func TestReceiptsSettle(t *testing.T) {
	plan := *sealPlan(t, t.TempDir(), newPeople(3, 1, nil), Limits{Messages: 1, Bytes: 1 << 20})
	plan.NeverAgain = true
	first := FormID{Batch: 1}
	open := &runOpened{Plan: plan.Digest}
	lost := &recovered{Plan: plan.Digest}
	try := &attempt{Form: first, N: 1}
	answer := func(r Result) *outcome { return &outcome{Form: first, N: 1, Result: r} }
	found := func(ids ...string) *resolved { return &resolved{Form: first, Result: ResultAccepted, IDs: ids} }
	for sentence, history := range map[string][]step{
		"what was held":                         {{open, true}, {try, true}, {answer(ResultHeld), true}, {found("id"), true}, {found("id"), false}},
		"what a process left":                   {{open, true}, {try, true}, {found("id"), false}, {open, true}, {found("id"), true}, {open, true}},
		"what only a lost log knew":             {{lost, true}, {open, true}, {found("id"), true}},
		"and it is not sent again":              {{lost, true}, {open, true}, {try, false}},
		"not what was never attempted":          {{open, true}, {found("id"), false}},
		"not what was certainly not accepted":   {{open, true}, {try, true}, {answer(ResultNotAccepted), true}, {found("id"), false}},
		"not what was accepted with its answer": {{open, true}, {try, true}, {answer(ResultAccepted), true}, {found("id"), false}},
		"not with more ids than messages":       {{lost, true}, {found("id", "id"), false}},
		"nor with none":                         {{lost, true}, {found(), false}},
	} {
		l, err := NewLedger(&plan)
		must(t, err)
		for i, s := range history {
			if err := l.apply(s.record, noPosition); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			must(t, l.Account().Check())
		}
	}
}

// The day for which the validator's word holds begins when a lost log can have begun, and
// not with the first attempt that is known.
func TestALostFormIsAsOldAsItMayBe(t *testing.T) {
	plan := sealPlan(t, t.TempDir(), newPeople(3, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	since := time.UnixMilli(1_795_000_000_000)
	l, err := NewLedger(plan)
	must(t, err)
	for _, r := range []any{
		&recovered{Plan: plan.Digest, Since: since}, &runOpened{Plan: plan.Digest},
		&attempt{N: 1, At: since.Add(48 * time.Hour)}, &outcome{N: 1, Result: ResultNotAccepted}, // it never left the machine
		&attempt{N: 2, At: since.Add(49 * time.Hour)},
	} {
		must(t, l.apply(r, noPosition))
	}
	s := l.State(FormID{})
	if step := Decide(Deduplicates, s, Answer{Reply: RowsRefused}, since.Add(49*time.Hour)); step != StepHold {
		t.Errorf("the step is %d, of %+v", step, s)
	}
	if step := Decide(Deduplicates, s, Answer{Reply: RowsRefused}, since.Add(23*time.Hour)); step != StepRevise {
		t.Errorf("within the day the step is %d", step)
	}
}

// halfSent is a run of which about half was sent, with one revision.
func halfSent(t *testing.T, s *service) *bench {
	b := newDatedBench(t, newPeople(40, 2, nil), Limits{Messages: 5, Bytes: 1 << 20})
	s.refuseRows(1)
	c := &connection{kind: Deduplicates, service: s}
	s.fault = func(n int, _ *Request) (Answer, bool) {
		return Answer{Reply: Refused, Status: 403, Halt: "enough"}, n >= 5
	}
	_, err := b.start(t.Context(), c, func(j *Job) { j.Ceiling = 1 })
	stoppedBy(t, err, true, "enough")
	s.fault = nil
	return b
}

// A recovery that is cut short at any step leaves a folder that sends nothing, and in
// which it is done again.
func TestARecoveryThatIsCutShort(t *testing.T) {
	for sentence, cut := range map[string]func(dir string) error{
		"the new log is not whole": func(dir string) error {
			return os.Rename(filepath.Join(dir, logFolder), filepath.Join(dir, newLogFolder))
		},
		"there is nothing of it": func(dir string) error { return os.RemoveAll(filepath.Join(dir, logFolder)) },
		"only a part of it was built": func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, logFolder)), os.Mkdir(filepath.Join(dir, newLogFolder), 0o700))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := halfSent(t, s)
			must(t, cut(b.dir))
			plan := openPlan(t, b.dir)
			_, one := ReadLedger(b.dir, plan)
			_, two := OpenProgressLog(b.dir, plan)
			_, three := TakeSurvey(b.dir, plan)
			for _, err := range []error{one, two, three} {
				if !IsDamage(err) || !strings.Contains(err.Error(), "missing or empty") {
					t.Errorf("%s: %v", sentence, err)
				}
			}
			b.recover(Recovery{})
			summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
			if err != nil || !summary.Finished || summary.Account.Fates[person.Accepted] != 39 || summary.Account.Fates[person.Refused] != 1 {
				t.Errorf("%s: %+v, %v", sentence, summary, err)
			}
			for m, n := range s.accepted {
				if n != 1 {
					t.Errorf("%s: %s was accepted %d times", sentence, m, n)
				}
			}
		})
	}
}

// The damaged log is put aside as it was, under a name of its own each time.
func TestNothingOfALostLogIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := halfSent(t, s)
		name := segments(t, filepath.Join(b.dir, logFolder))[0]
		raw, err := os.ReadFile(name)
		must(t, err)
		raw[200] ^= 1
		must(t, os.WriteFile(name, raw, 0o600))
		if by := Superseding(b.dir, openPlan(t, b.dir)); by != "" {
			t.Errorf("nobody took its place, and %q is said to have", by)
		}
		one, two := b.recover(Recovery{}), b.recover(Recovery{})
		if len(one.Aside) != 1 || len(two.Aside) != 1 || one.Aside[0] == two.Aside[0] {
			t.Fatalf("put aside: %v and %v", one.Aside, two.Aside)
		}
		if kept, err := os.ReadFile(filepath.Join(one.Aside[0], filepath.Base(name))); err != nil || string(kept) != string(raw) {
			t.Errorf("what was put aside has changed: %v", err)
		}
	})
}

// A damaged log still says, as far as it can be read, that the run has no business any more.
func TestADamagedLogSaysWhoTookTheRunsPlace(t *testing.T) {
	dir := t.TempDir()
	plan := sealPlan(t, dir, newPeople(6, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
	log, err := OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Open(Start{}))
	must(t, log.Supersede(time.Now(), testRun, "/elsewhere"))
	must(t, log.Open(Start{}))
	must(t, log.Open(Start{}))
	must(t, log.Close())
	name := segments(t, filepath.Join(dir, logFolder))[0]
	raw, err := os.ReadFile(name)
	must(t, err)
	raw[len(raw)-100] ^= 1 // in the last start but one, so that a valid record follows
	must(t, os.WriteFile(name, raw, 0o600))
	if _, err := ReadLedger(dir, plan); !IsDamage(err) {
		t.Fatal(err)
	}
	if by := Superseding(dir, plan); by != testRun.Short()+" in /elsewhere" {
		t.Errorf("%q", by)
	}
}

// Without the second copy nothing is ever sent again, however often the log and the new
// copy are lost.
func TestWithoutTheSecondCopyNothingIsReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := halfSent(t, s)
		before := len(s.requests)
		for range 2 {
			must(t, os.RemoveAll(filepath.Join(b.dir, revisionsFolder)))
			must(t, os.RemoveAll(filepath.Join(b.dir, logFolder)))
			if done := b.recover(Recovery{}); done.Ledger.Hold != HoldRevisionsLost || done.Revisions != 0 {
				t.Fatalf("%+v", done)
			}
			if _, err := CopiedRevisions(b.dir, openPlan(t, b.dir)); !errors.Is(err, ErrRevisions) {
				t.Errorf("the new copy passes for the whole: %v", err)
			}
			must(t, os.RemoveAll(filepath.Join(b.dir, revisionsFolder)))
			log, err := OpenProgressLog(b.dir, openPlan(t, b.dir)) // which makes it again
			must(t, err)
			must(t, log.Close())
			must(t, os.RemoveAll(filepath.Join(b.dir, logFolder)))
			if done := b.recover(Recovery{}); done.Ledger.Hold != HoldRevisionsLost {
				t.Fatalf("the copy that was made again passes for the whole: %+v", done)
			}
		}
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		if err != nil || summary.Account.Fates[person.InDoubt] != 40 || summary.Held == 0 || len(s.requests) != before {
			t.Errorf("%d requests, %+v, %v", len(s.requests)-before, summary, err)
		}
	})
}

// What a survey finds is what there is, and what it is there to find is found.
func TestSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.refuseRows(3)
		b := newBench(t, newPeople(40, 2, nil), Limits{Messages: 5, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		must(t, err)
		plan := openPlan(t, b.dir)
		survey, err := TakeSurvey(b.dir, plan)
		must(t, err)
		if survey.Requests != summary.Attempts || survey.Settled != summary.Attempts || survey.Revisions != 1 || survey.Copied != 1 || !survey.Closed ||
			survey.Forms != survey.Batches+1 || survey.First.IsZero() || survey.Last.Before(survey.First) || len(survey.Segments) != 1 {
			t.Errorf("%+v", survey)
		}
		entries := map[string]int{}
		_, err = ReadLog(b.dir, plan, journal.Tail{}, func(r journal.Record) error {
			e, err := ReadEntry(plan, r)
			entries[e.Record]++
			if e.String() == "" || e.At.IsZero() {
				t.Errorf("%+v", e)
			}
			return err
		})
		must(t, err)
		for _, k := range survey.Kinds {
			if entries[k.Record] != int(k.Count) || k.Bytes < int64(k.Count)*17 {
				t.Errorf("%+v, and %d were read", k, entries[k.Record])
			}
		}
		log, err := OpenProgressLog(b.dir, plan)
		must(t, err)
		must(t, log.Open(Start{At: time.Now()}))
		account := log.Account()
		account.Fates[person.Accepted]++
		must(t, errors.Join(log.Finish(time.Now(), account), log.Close()))
		if _, err := TakeSurvey(b.dir, plan); !IsDamage(err) || !strings.Contains(err.Error(), "0000000000000002.log, the record at byte") {
			t.Errorf("a run that ended with other fates than its records make: %v", err)
		}
	})
}
