package dispatch

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/recovery"
	"cohort/ingest/person"
)

// retry has what was refused sent again, as the command does, and returns how many that
// are.
func (b *bench) retry(codes ...string) int {
	b.Helper()
	plan := enginetest.OpenPlan(b.T, b.dir)
	log, err := ledger.Open(b.dir, plan)
	enginetest.Must(b.T, err)
	again := decision.RetryCandidates(log.Ledger, codes)
	if n := again.Sum().Again; n > 0 {
		before := log.Ledger.Account().Fates
		enginetest.Must(b.T, again.Commit(log, b.people, enginetest.Encoding{}, "ann", "the template is mended", time.Now()))
		after := log.Ledger.Account().Fates
		if after[person.NotSent] != before[person.NotSent]+int64(n) || after[person.Refused] != before[person.Refused]-int64(n) {
			b.Errorf("%d are sent again, and the account goes from %v to %v", n, before, after)
		}
	}
	enginetest.Must(b.T, log.Ledger.Account().Check())
	enginetest.Must(b.T, log.Close())
	_, err = inspect.Check(b.dir, plan)
	enginetest.Must(b.T, err)
	return again.Sum().Again
}

// Refused messages are sent again when a person has mended the cause, and nobody else
// is; what is refused again is refused, by its new code.
func TestRefusedMessagesAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, mixedPeople(120, 2), engine.Limits{Messages: 10, Bytes: 1 << 20})
		s.refuseRows(3, 4, 8, 9, 10, 50, 120)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		refused := int(summary.Account.Fates[person.Refused])
		if refused < 5 {
			t.Fatalf("%d were refused", refused)
		}
		if n := b.retry("ANOTHER_CODE"); n != 0 || !b.ledger().Facts().Closed {
			t.Errorf("%d of another code are sent again", n)
		}
		if n := b.retry("ANOTHER_CODE", "INVALID_VALUE"); n != refused || b.ledger().Facts().Closed {
			t.Errorf("%d are sent again", n)
		}
		for row, o := range b.outcomes() {
			if was := s.bad[enginetest.TestRun.References().Message(row)]; was != (o.Fate == person.NotSent) || was && (o.Attempts != 1 || o.Reason == "") {
				t.Errorf("row %d, which was refused: %t, is %+v", row, was, o)
			}
		}
		clear(s.bad)
		s.refuseRows(50)
		before := len(s.requests)
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		sent := 0
		for _, r := range s.requests[before:] {
			sent += r.messages
		}
		if sent < refused || sent > refused+10 {
			t.Errorf("%d messages were sent to send %d again", sent, refused)
		}
		clear(s.bad)
		if n := b.retry(); n != 1 {
			t.Errorf("%d are sent again", n)
		}
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		if n := b.retry(); n != 0 {
			t.Errorf("%d are sent again of none that are refused", n)
		}
	})
}

// A message that is refused again has its new code and all its attempts in the report. A
// retry finds it by the new code alone.
func TestARefusalWithAnotherCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(10, 1, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
		s.refuseRows(2, 3)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		want := func(fate person.Fate, code string, attempts int) {
			t.Helper()
			for row, o := range b.outcomes() {
				if (row == 2 || row == 3) && (o.Fate != fate || o.Code != code || o.Attempts != attempts || (o.MessageID != "") != (fate == person.Accepted)) {
					t.Errorf("row %d: %+v", row, o)
				}
			}
		}
		want(person.Refused, "INVALID_VALUE", 1)
		if n := b.retry(); n != 2 {
			t.Errorf("%d are sent again", n)
		}
		want(person.NotSent, ledger.CodeRetried, 1)
		s.fault = func(_ int, r *engine.Request) (engine.Answer, bool) {
			a := engine.Answer{Reply: engine.RowsRefused, Status: 400, Code: "NO_SUCH_TEMPLATE"}
			for i := range r.Messages {
				a.Rows = append(a.Rows, engine.RowError{Index: i, Code: "NO_SUCH_TEMPLATE"})
			}
			return a, true
		}
		_, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		enginetest.Must(t, err)
		want(person.Refused, "NO_SUCH_TEMPLATE", 2)
		if n := b.retry("INVALID_VALUE"); n != 0 {
			t.Errorf("%d are sent again that are refused with another code by now", n)
		}
		if n := b.retry("NO_SUCH_TEMPLATE"); n != 2 {
			t.Errorf("%d are sent again", n)
		}
		s.fault = nil
		clear(s.bad)
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		want(person.Accepted, "", 3)
	})
}

// A person that a list has named at any moment since the plan is not sent to again. The list
// may have forgotten the person since, or name the person only after the retry.
func TestSuppressionOutlivesARetry(t *testing.T) {
	for sentence, test := range map[string]struct {
		before, after []int64 // people that the list names before and after the retry
		lost          bool
		again         int // are sent again of rows 1, 2, 3 and 4
		accepted      []int64
	}{
		"nobody is listed":                             {nil, nil, false, 4, []int64{1, 2, 3, 4}},
		"one is listed before":                         {[]int64{2}, []int64{2}, false, 3, []int64{1, 3, 4}},
		"one is listed before, and forgotten":          {[]int64{2}, nil, false, 3, []int64{1, 3, 4}},
		"the same, and the log is lost":                {[]int64{2}, nil, true, 3, []int64{1, 3, 4}},
		"one is listed after":                          {nil, []int64{3}, false, 4, []int64{1, 2, 4}},
		"the same, and the log is lost before":         {nil, []int64{3}, true, 4, []int64{1, 2, 4}},
		"all are listed after":                         {nil, []int64{1, 2, 3, 4}, false, 4, nil},
		"all are listed before":                        {[]int64{1, 2, 3, 4}, nil, false, 0, nil},
		"one before and another after":                 {[]int64{1}, []int64{4}, false, 3, []int64{2, 3}},
		"one before and another after, and it is lost": {[]int64{1}, []int64{4}, true, 3, []int64{2, 3}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newDatedBench(t, enginetest.NewPeople(20, 1, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
			s.refuseRows(1, 2, 3, 4, 20)
			s.fault = func(int, *engine.Request) (engine.Answer, bool) {
				return engine.Answer{Reply: engine.Refused, Status: 403, Halt: "enough"}, len(s.accepted) > 0
			}
			lists := func(rows []int64) func(*Job) {
				l := newRegistry(b.people)
				l.list("opted_out", rows...)
				return func(j *Job) { j.Lists, j.Ceiling = l.lists, 1 }
			}
			_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Ceiling = 1 })
			stoppedBy(t, err, true, "enough")
			_, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, lists(test.before))
			stoppedBy(t, err, true, "enough")
			if test.lost {
				enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.LogFolder)))
				b.recover(recovery.Recovery{})
			}
			if n := b.retry(); n != test.again {
				t.Errorf("%s: %d are sent again", sentence, n)
			}
			s.fault = nil
			clear(s.bad)
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, lists(test.after))
			enginetest.Must(t, err)
			enginetest.Must(t, summary.Account.Check())
			for row, o := range b.outcomes() {
				sent := s.accepted[enginetest.TestRun.References().Message(row).String()]
				want := row > 4 && !slices.Contains(test.after, row) || slices.Contains(test.accepted, row)
				switch {
				case sent > 1, want != (sent == 1), want != (o.Fate == person.Accepted):
					t.Errorf("%s: row %d was sent %d times: %+v", sentence, row, sent, o)
				case !want && o.Fate != person.Suppressed && o.Fate != person.Refused:
					t.Errorf("%s: row %d was not sent to, and is %+v", sentence, row, o)
				}
			}
		})
	}
}

// The log is lost before, during and after a retry, and between it and the second copy of the
// revisions. Whatever is left, it is read again, and nobody is accepted twice.
func TestLogsThatAreLostAroundARetry(t *testing.T) {
	for sentence, lose := range map[string]func(t *testing.T, before, after string){
		"nothing is lost": func(*testing.T, string, string) {},
		"the log, and the copy is whole": func(t *testing.T, _, after string) {
			enginetest.Must(t, os.RemoveAll(filepath.Join(after, ledger.LogFolder)))
		},
		"the copy, which is made again": func(t *testing.T, before, after string) { exchange(t, before, after, ledger.RevisionsFolder) },
		"the log, and the copy knows of none": func(t *testing.T, before, after string) {
			exchange(t, before, after, ledger.RevisionsFolder)
			enginetest.Must(t, os.RemoveAll(filepath.Join(after, ledger.LogFolder)))
		},
	} {
		for _, sent := range []bool{false, true} { // what is sent again, before the loss
			if sent && sentence != "the log, and the copy is whole" {
				continue // the copy is whole before anything is sent
			}
			synctest.Test(t, func(t *testing.T) {
				s := newService(1)
				b := newDatedBench(t, enginetest.NewPeople(40, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
				s.refuseRows(1, 2, 5, 6, 7, 40)
				summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
				b.finished(s, summary, err)
				before := filepath.Join(t.TempDir(), "before")
				copyRun(t, b.dir, before)
				if n := b.retry(); n != 6 {
					t.Errorf("%s: %d are sent again", sentence, n)
				}
				clear(s.bad)
				if sent {
					s.fault = func(int, *engine.Request) (engine.Answer, bool) {
						return engine.Answer{Reply: engine.Refused, Status: 403, Halt: "enough"}, len(s.accepted) > 36
					}
					_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Ceiling = 1 })
					stoppedBy(t, err, true, "enough")
					s.fault = nil
				}
				lose(t, before, b.dir)
				if _, err := ledger.Read(b.dir, enginetest.OpenPlan(t, b.dir)); err != nil {
					b.recover(recovery.Recovery{})
				}
				b.retry() // what the loss has brought back to the refused
				summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
				if err != nil || !summary.Finished || summary.Account.Fates[person.Accepted] != 40 {
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
}

// exchange puts a folder of one run in the place of another's.
func exchange(t *testing.T, from, to, folder string) {
	t.Helper()
	enginetest.Must(t, os.RemoveAll(filepath.Join(to, folder)))
	enginetest.CopyFolder(t, filepath.Join(from, folder), filepath.Join(to, folder))
}

// The power is cut at every operation of a retry. The log is read again, it knows each
// message once, and another retry takes up what is left.
func TestARetryThatIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(60, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
		s.refuseRows(1, 2, 11, 12, 23, 24, 25, 41, 42, 60)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		plan := enginetest.OpenPlan(t, b.dir)
		powerCut := errors.New("the power is cut")
		cuts := 0
		for cut := 1; ; cut++ {
			disk := newJournalDisk()
			enginetest.Must(t, errors.Join(disk.load(filepath.Join(b.dir, ledger.LogFolder)), disk.load(filepath.Join(b.dir, ledger.RevisionsFolder))))
			log, err := ledger.OpenOn(disk, b.dir, plan)
			enginetest.Must(t, err)
			disk.mu.Lock()
			begun := disk.ops
			disk.fault = func(op int, _ bool) (bool, error) {
				if op-begun >= cut {
					return false, powerCut
				}
				return false, nil
			}
			disk.mu.Unlock()
			err = decision.RetryCandidates(log.Ledger, nil).Commit(log, b.people, enginetest.Encoding{}, "ann", "mended", time.Now())
			_ = log.Close()
			left := disk.durable()
			next, e := ledger.OpenOn(left, b.dir, plan)
			enginetest.Must(t, e)
			enginetest.Must(t, next.Ledger.Account().Check())
			refused, unsent := next.Ledger.Account().Fates[person.Refused], next.Ledger.Account().Fates[person.NotSent]
			if refused+unsent != 10 || err == nil && refused != 0 {
				t.Fatalf("cut %d: %d are refused and %d not sent, %v", cut, refused, unsent, err)
			}
			if again := decision.RetryCandidates(next.Ledger, nil); int64(again.Sum().Again) != refused {
				t.Fatalf("cut %d: %d of %d can be sent again", cut, again.Sum().Again, refused)
			} else if refused > 0 {
				enginetest.Must(t, again.Commit(next, b.people, enginetest.Encoding{}, "ann", "mended", time.Now()))
			}
			if n := next.Ledger.Account().Fates[person.NotSent]; n != 10 || next.Copied() != uint64(next.Ledger.Facts().Revisions) {
				t.Fatalf("cut %d: %d are not sent, and the second copy has %d revisions of %d", cut, n, next.Copied(), next.Ledger.Facts().Revisions)
			}
			enginetest.Must(t, next.Close())
			if err == nil {
				cuts = cut
				break
			}
		}
		t.Logf("%d cuts", cuts)
		if cuts < 6 {
			t.Error("that is too little to have shown anything")
		}
	})
}

// A run reaches its end under faults, splits, crashes and lost logs. The cause is mended
// overnight, and certain refusals are sent again until none is left. Nobody is accepted twice, and what was refused in doubt stays refused.
func TestRetriesUnderFaults(t *testing.T) {
	retried, unsure := 0, 0
	for seed := range uint64(16) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.05 * float64(seed%4)
			if seed%4 == 3 {
				s.most = 4
			}
			s.fault = func(int, *engine.Request) (engine.Answer, bool) {
				return engine.Answer{Reply: engine.Unknown, Code: "timeout"}, s.rng.Float64() < s.faults
			}
			rng := rand.New(rand.NewPCG(seed, 9))
			b := newDatedBench(t, mixedPeople(150, 2), engine.Limits{Messages: 6, Bytes: 1 << 20})
			for range 12 {
				s.refuseRows(1 + rng.Int64N(150))
			}
			finish := func() {
				summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: time.Second}, nil)
				if err != nil || !summary.Finished {
					t.Fatalf("seed %d: %+v, %v", seed, summary, err)
				}
			}
			finish()
			for range 3 {
				time.Sleep(30 * time.Hour)
				for m := range s.bad {
					if rng.IntN(2) == 0 {
						delete(s.bad, m)
					}
				}
				if rng.IntN(3) == 0 {
					b.damage(rng)
					b.recover(recovery.Recovery{})
				}
				retried += b.retry()
				if rng.IntN(3) == 0 {
					enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.LogFolder)))
					b.recover(recovery.Recovery{})
				}
				finish()
			}
			for row, o := range b.outcomes() {
				m := enginetest.TestRun.References().Message(row)
				switch sent := s.accepted[m.String()]; {
				case sent > 1, o.Fate == person.Accepted && sent != 1, o.Fate == person.Refused && sent != 0, o.Fate == person.NotSent:
					t.Errorf("seed %d, row %d was accepted %d times: %+v", seed, row, sent, o)
				}
			}
			unsure += decision.RetryCandidates(b.ledger(), nil).Sum().Unsure
			for _, w := range s.wrong {
				t.Error(w)
			}
		})
	}
	t.Logf("%d messages sent again, %d refused in doubt", retried, unsure)
	if retried < 100 || unsure == 0 {
		t.Error("that is too little to have shown anything")
	}
}

// Only a batch that is still as it was planned is sent again. Otherwise nothing is recorded.
func TestARetryOnAnotherSpoolIsRefused(t *testing.T) {
	for sentence, change := range map[string]func(*enginetest.People){
		"the name of somebody who was refused":  func(p *enginetest.People) { p.ByLane[0][2].Fields[0] = "Taken2" },
		"the name of somebody who was accepted": func(p *enginetest.People) { p.ByLane[0][0].Fields[0] = "Taken0" },
		"somebody is newly left out":            func(p *enginetest.People) { p.ByLane[0][2].Suppressed = true },
		"the spool cannot be read":              func(p *enginetest.People) { p.FailAt = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
			s.refuseRows(3)
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
			b.finished(s, summary, err)
			change(b.people)
			log, err := ledger.Open(b.dir, enginetest.OpenPlan(t, b.dir))
			enginetest.Must(t, err)
			if err := decision.RetryCandidates(log.Ledger, nil).Commit(log, b.people, enginetest.Encoding{}, "ann", "mended", time.Now()); !errors.Is(err, plan.ErrChanged) && !errors.Is(err, enginetest.ErrUnreadable) {
				t.Errorf("%s: %v", sentence, err)
			}
			enginetest.Must(t, log.Close())
			if l := b.ledger(); !l.Facts().Closed || l.Account().Fates[person.Refused] != 1 {
				t.Errorf("%s: and yet the account is %v", sentence, l.Account().Fates)
			}
		})
	}
}
