package engine

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cohort/ingest/person"
)

// What of the refused may be sent again, and how that stands in the log.
func TestTransitionsOfARetry(t *testing.T) {
	plan := sealPlan(t, t.TempDir(), newPeople(8, 1, nil), Limits{Messages: 4, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000)
	open := &runOpened{Plan: plan.Digest, At: at}
	first, rest, again := FormID{}, FormID{Revision: 1}, FormID{Revision: 2}
	try := func(id FormID, n uint16) *attempt { return &attempt{Form: id, N: n, At: at} }
	rows := func(positions ...uint32) (all []RefusedRow) {
		for _, p := range positions {
			all = append(all, RefusedRow{Position: p, Code: "TOO_LONG"})
		}
		return all
	}
	refuse := &revision{Form: first, N: 1, Number: 1, Parts: []Form{{From: 0, To: 4, Dropped: []uint32{1, 3}, Messages: 2}}, Refused: rows(1, 3), Sure: true}
	refuseAll := &revision{Form: first, N: 1, Number: 1, Refused: rows(0, 1, 2, 3), Sure: true}
	send := func(number uint16, messages, from, to uint32, dropped ...uint32) *revision {
		return &revision{Form: FormID{Revision: number}, Number: number, Code: codeRetried, Parts: []Form{{From: from, To: to, Dropped: dropped, Messages: messages}}}
	}
	bar := func(number uint16, positions ...uint32) *revision {
		return &revision{Form: FormID{Revision: number}, Number: number, Code: codeListed, Refused: rows(positions...)}
	}
	late := func(p uint32) *listedLate { return &listedLate{People: rows(p)} }
	lost := func(revisions uint64) *recovered {
		return &recovered{Plan: plan.Digest, At: at, Since: at, Revisions: revisions}
	}
	doubted := &revision{Form: first, N: 2, Number: 1, Parts: refuse.Parts, Refused: refuse.Refused}
	refused := []step{{open, true}, {try(first, 1), true}, {refuse, true}}
	unsure := []step{{open, true}, {try(first, 1), true}, {&inDoubt{Form: first, N: 1, At: at}, true}, {try(first, 2), true}, {doubted, true}}
	for sentence, test := range map[string]struct{ before, history []step }{
		"both who were refused are sent again":              {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {&outcome{Form: again, N: 1, Result: ResultAccepted}, true}}},
		"one of them, and then the other":                   {refused, []step{{send(2, 1, 1, 2), true}, {send(3, 1, 3, 4), true}, {try(again, 1), true}}},
		"nobody twice":                                      {refused, []step{{send(2, 2, 1, 4, 2), true}, {send(3, 2, 1, 4, 2), false}}},
		"nobody who was not refused":                        {refused, []step{{send(2, 1, 0, 1), false}}},
		"nobody who was not refused beside one who was":     {refused, []step{{send(2, 2, 0, 2), false}}},
		"not nobody":                                        {refused, []step{{send(2, 0, 0, 1), false}}},
		"not before anything was refused":                   {[]step{{open, true}}, []step{{send(1, 4, 0, 4), false}}},
		"in the next revision and no other":                 {refused, []step{{send(3, 2, 1, 4, 2), false}, {send(1, 2, 1, 4, 2), false}}},
		"in one form":                                       {refused, []step{{&revision{Form: again, Number: 2, Parts: []Form{{From: 1, To: 2, Messages: 1}, {From: 3, To: 4, Messages: 1}}}, false}}},
		"as no answer to an attempt":                        {refused, []step{{&revision{Form: again, Number: 2, N: 1, Parts: []Form{{From: 1, To: 2, Messages: 1}}}, false}}},
		"of a batch that there is":                          {refused, []step{{&revision{Form: FormID{7, 1, 0}, Number: 1, Parts: []Form{{From: 1, To: 2, Messages: 1}}}, false}}},
		"refused again, and sent again":                     {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {&revision{Form: again, N: 1, Number: 3, Refused: rows(1, 3), Sure: true}, true}, {send(4, 2, 1, 4, 2), true}}},
		"while the others are under way":                    {refused, []step{{try(rest, 1), true}, {send(2, 2, 1, 4, 2), true}, {&inDoubt{Form: rest, N: 1}, true}, {try(again, 1), true}}},
		"and split when they are too large":                 {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {&revision{Form: again, N: 1, Number: 3, Parts: []Form{{From: 1, To: 2, Messages: 1}, {From: 2, To: 4, Dropped: []uint32{2}, Messages: 1}}}, true}}},
		"and left out when a list names them":               {refused, []step{{send(2, 2, 1, 4, 2), true}, {&revision{Form: again, Number: 3, Parts: []Form{{From: 1, To: 2, Messages: 1}}, Refused: rows(3)}, true}, {send(4, 1, 3, 4), false}}},
		"while the others are held":                         {refused, []step{{try(rest, 1), true}, {&outcome{Form: rest, N: 1, Result: ResultHeld}, true}, {send(2, 1, 1, 2), true}}},
		"in doubt they are sent again by nobody":            {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {open, true}, {send(3, 2, 1, 4, 2), false}, {try(again, 2), true}}},
		"a batch of which everybody was refused":            {[]step{{open, true}, {try(first, 1), true}, {refuseAll, true}}, []step{{send(2, 4, 0, 4), true}, {try(again, 1), true}}},
		"not when a request went unanswered before":         {unsure, []step{{send(2, 2, 1, 4, 2), false}}},
		"also not when they are refused once more":          {unsure, []step{{try(rest, 1), true}, {&revision{Form: rest, N: 1, Number: 2, Refused: rows(0, 2), Sure: true}, true}, {send(3, 2, 0, 3, 1), false}}},
		"nobody whom a list named when they were refused":   {refused, []step{{bar(2, 3), true}, {send(3, 2, 1, 4, 2), false}, {send(3, 1, 3, 4), false}, {send(3, 1, 1, 2), true}}},
		"nobody whom a list named when they were in doubt":  {[]step{{open, true}, {try(first, 1), true}, {late(3), true}, {refuse, true}}, []step{{send(2, 2, 1, 4, 2), false}, {send(2, 1, 1, 2), true}}},
		"nobody is barred who was not refused":              {refused, []step{{bar(2, 0), false}, {bar(2, 0, 1), false}}},
		"nor twice":                                         {refused, []step{{bar(2, 1), true}, {bar(3, 1), false}}},
		"a lost log knows of it, and puts it in doubt":      {nil, []step{{lost(2), true}, {refuse, true}, {send(2, 2, 1, 4, 2), true}, {open, true}, {try(again, 1), true}, {&outcome{Form: again, N: 1, Result: ResultAcceptedUnknown}, true}}},
		"and nobody in it is sent again":                    {nil, []step{{lost(2), true}, {refuse, true}, {send(2, 2, 1, 4, 2), true}, {open, true}, {send(3, 2, 1, 4, 2), false}}},
		"a lost log knows who is listed":                    {nil, []step{{lost(2), true}, {refuse, true}, {bar(2, 3), true}, {open, true}, {send(3, 2, 1, 4, 2), false}, {send(3, 1, 1, 2), true}}},
		"what was refused for certain is so after a loss":   {nil, []step{{lost(1), true}, {refuse, true}, {open, true}, {send(2, 2, 1, 4, 2), true}, {try(again, 1), true}}},
		"what was not, or nobody knows whether, is not":     {nil, []step{{lost(1), true}, {doubted, true}, {open, true}, {send(2, 2, 1, 4, 2), false}}},
		"a lost form that is refused is refused in doubt":   {nil, []step{{lost(0), true}, {open, true}, {try(first, 1), true}, {refuse, true}, {send(2, 2, 1, 4, 2), false}}},
		"nothing comes between a recovery and its retry":    {nil, []step{{lost(2), true}, {refuse, true}, {open, false}, {send(2, 2, 1, 4, 2), true}}},
		"a lost log that lacks the refusal is no whole one": {nil, []step{{lost(1), true}, {send(1, 2, 1, 4, 2), false}}},
	} {
		l, err := NewLedger(plan)
		must(t, err)
		for i, s := range slices.Concat(test.before, test.history) {
			if err := l.apply(s.record, noPosition); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			if err := l.Account().Check(); err != nil {
				t.Errorf("%s: after record %d: %v", sentence, i+1, err)
			}
		}
	}
}

// retry has what was refused sent again, as the command does, and returns how many that
// are.
func (b *bench) retry(codes ...string) int {
	b.Helper()
	plan := openPlan(b.T, b.dir)
	log, err := OpenProgressLog(b.dir, plan)
	must(b.T, err)
	again := log.Ledger.Retry(codes)
	if n := again.Sum().Again; n > 0 {
		before := log.Account().Fates
		must(b.T, log.Retry(again, b.people, encoding{}, "ann", "the template is mended", time.Now()))
		after := log.Account().Fates
		if after[person.NotSent] != before[person.NotSent]+int64(n) || after[person.Refused] != before[person.Refused]-int64(n) {
			b.Errorf("%d are sent again, and the account goes from %v to %v", n, before, after)
		}
	}
	must(b.T, log.Account().Check())
	must(b.T, log.Close())
	_, err = TakeSurvey(b.dir, plan)
	must(b.T, err)
	return again.Sum().Again
}

// Refused messages are sent again when a person has mended the cause, and nobody else
// is; what is refused again is refused, by its new code.
func TestRefusedMessagesAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, mixedPeople(120, 2), Limits{Messages: 10, Bytes: 1 << 20})
		s.refuseRows(3, 4, 8, 9, 10, 50, 120)
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		refused := int(summary.Account.Fates[person.Refused])
		if refused < 5 {
			t.Fatalf("%d were refused", refused)
		}
		if n := b.retry("ANOTHER_CODE"); n != 0 || !b.ledger().Closed {
			t.Errorf("%d of another code are sent again", n)
		}
		if n := b.retry("ANOTHER_CODE", "INVALID_VALUE"); n != refused || b.ledger().Closed {
			t.Errorf("%d are sent again", n)
		}
		for row, o := range b.outcomes() {
			if was := s.bad[testRun.MessageReference(row)]; was != (o.Fate == person.NotSent) || was && (o.Attempts != 1 || o.Reason == "") {
				t.Errorf("row %d, which was refused: %t, is %+v", row, was, o)
			}
		}
		clear(s.bad)
		s.refuseRows(50)
		before := len(s.requests)
		summary, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
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
		summary, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		if n := b.retry(); n != 0 {
			t.Errorf("%d are sent again of none that are refused", n)
		}
	})
}

// A message that is refused again stands in the report with its new code and all its
// attempts, and is taken up by the new code alone.
func TestARefusalWithAnotherCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, newPeople(10, 1, nil), Limits{Messages: 5, Bytes: 1 << 20})
		s.refuseRows(2, 3)
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
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
		want(person.NotSent, codeRetried, 1)
		s.fault = func(_ int, r *Request) (Answer, bool) {
			a := Answer{Reply: RowsRefused, Status: 400, Code: "NO_SUCH_TEMPLATE"}
			for i := range r.Messages {
				a.Rows = append(a.Rows, RowError{Index: i, Code: "NO_SUCH_TEMPLATE"})
			}
			return a, true
		}
		_, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		must(t, err)
		want(person.Refused, "NO_SUCH_TEMPLATE", 2)
		if n := b.retry("INVALID_VALUE"); n != 0 {
			t.Errorf("%d are sent again that are refused with another code by now", n)
		}
		if n := b.retry("NO_SUCH_TEMPLATE"); n != 2 {
			t.Errorf("%d are sent again", n)
		}
		s.fault = nil
		clear(s.bad)
		summary, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		want(person.Accepted, "", 3)
	})
}

// Whoever a list has named at any moment since the plan is not sent to again: not when it
// named him while he was refused and has forgotten him, nor when it names him only then.
func TestSuppressionOutlivesARetry(t *testing.T) {
	for sentence, test := range map[string]struct {
		before, after []int64 // whom the list names when it is applied before and after the retry
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
			b := newDatedBench(t, newPeople(20, 1, nil), Limits{Messages: 5, Bytes: 1 << 20})
			s.refuseRows(1, 2, 3, 4, 20)
			s.fault = func(int, *Request) (Answer, bool) {
				return Answer{Reply: Refused, Status: 403, Halt: "enough"}, len(s.accepted) > 0
			}
			lists := func(rows []int64) func(*Job) {
				l := newRegistry(b.people)
				l.list("opted_out", rows...)
				return func(j *Job) { j.Lists, j.Ceiling = l.lists, 1 }
			}
			_, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, func(j *Job) { j.Ceiling = 1 })
			stoppedBy(t, err, true, "enough")
			_, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, lists(test.before))
			stoppedBy(t, err, true, "enough")
			if test.lost {
				must(t, os.RemoveAll(filepath.Join(b.dir, logFolder)))
				b.recover(Recovery{})
			}
			if n := b.retry(); n != test.again {
				t.Errorf("%s: %d are sent again", sentence, n)
			}
			s.fault = nil
			clear(s.bad)
			summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, lists(test.after))
			must(t, err)
			must(t, summary.Account.Check())
			for row, o := range b.outcomes() {
				sent := s.accepted[testRun.MessageReference(row).String()]
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
		"nothing is lost":                func(*testing.T, string, string) {},
		"the log, and the copy is whole": func(t *testing.T, _, after string) { must(t, os.RemoveAll(filepath.Join(after, logFolder))) },
		"the copy, which is made again":  func(t *testing.T, before, after string) { exchange(t, before, after, revisionsFolder) },
		"the log, and the copy knows of none": func(t *testing.T, before, after string) {
			exchange(t, before, after, revisionsFolder)
			must(t, os.RemoveAll(filepath.Join(after, logFolder)))
		},
	} {
		for _, sent := range []bool{false, true} { // what is sent again, before the loss
			if sent && sentence != "the log, and the copy is whole" {
				continue // the copy is whole before anything is sent
			}
			synctest.Test(t, func(t *testing.T) {
				s := newService(1)
				b := newDatedBench(t, newPeople(40, 2, nil), Limits{Messages: 5, Bytes: 1 << 20})
				s.refuseRows(1, 2, 5, 6, 7, 40)
				summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
				b.finished(s, summary, err)
				before := filepath.Join(t.TempDir(), "before")
				copyRun(t, b.dir, before)
				if n := b.retry(); n != 6 {
					t.Errorf("%s: %d are sent again", sentence, n)
				}
				clear(s.bad)
				if sent {
					s.fault = func(int, *Request) (Answer, bool) {
						return Answer{Reply: Refused, Status: 403, Halt: "enough"}, len(s.accepted) > 36
					}
					_, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, func(j *Job) { j.Ceiling = 1 })
					stoppedBy(t, err, true, "enough")
					s.fault = nil
				}
				lose(t, before, b.dir)
				if _, err := ReadLedger(b.dir, openPlan(t, b.dir)); err != nil {
					b.recover(Recovery{})
				}
				b.retry() // what the loss has brought back to the refused
				summary, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
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
	must(t, os.RemoveAll(filepath.Join(to, folder)))
	copyFolder(t, filepath.Join(from, folder), filepath.Join(to, folder))
}

// The power is cut at every operation of a retry. The log is read again, it knows each
// message once, and another retry takes up what is left.
func TestARetryThatIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, newPeople(60, 2, nil), Limits{Messages: 5, Bytes: 1 << 20})
		s.refuseRows(1, 2, 11, 12, 23, 24, 25, 41, 42, 60)
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		plan := openPlan(t, b.dir)
		powerCut := errors.New("the power is cut")
		cuts := 0
		for cut := 1; ; cut++ {
			disk := newJournalDisk()
			must(t, errors.Join(disk.load(filepath.Join(b.dir, logFolder)), disk.load(filepath.Join(b.dir, revisionsFolder))))
			log, err := OpenProgressLogOn(disk, b.dir, plan)
			must(t, err)
			disk.mu.Lock()
			begun := disk.ops
			disk.fault = func(op int, _ bool) (bool, error) {
				if op-begun >= cut {
					return false, powerCut
				}
				return false, nil
			}
			disk.mu.Unlock()
			err = log.Retry(log.Ledger.Retry(nil), b.people, encoding{}, "ann", "mended", time.Now())
			_ = log.Close()
			left := disk.durable()
			next, e := OpenProgressLogOn(left, b.dir, plan)
			must(t, e)
			must(t, next.Account().Check())
			refused, unsent := next.Account().Fates[person.Refused], next.Account().Fates[person.NotSent]
			if refused+unsent != 10 || err == nil && refused != 0 {
				t.Fatalf("cut %d: %d are refused and %d not sent, %v", cut, refused, unsent, err)
			}
			if again := next.Ledger.Retry(nil); int64(again.Sum().Again) != refused {
				t.Fatalf("cut %d: %d of %d can be sent again", cut, again.Sum().Again, refused)
			} else if refused > 0 {
				must(t, next.Retry(again, b.people, encoding{}, "ann", "mended", time.Now()))
			}
			if n := next.Account().Fates[person.NotSent]; n != 10 || next.copied != uint64(next.Revisions) {
				t.Fatalf("cut %d: %d are not sent, and the second copy has %d revisions of %d", cut, n, next.copied, next.Revisions)
			}
			must(t, next.Close())
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

// Under faults, splits, crashes and lost logs, a run is taken to its end, its cause is
// mended overnight, and what was refused for certain is sent again, until nothing is left
// that may be. Nobody is accepted twice, and what was refused in doubt stays refused.
func TestRetriesUnderFaults(t *testing.T) {
	retried, unsure := 0, 0
	for seed := range uint64(16) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.05 * float64(seed%4)
			if seed%4 == 3 {
				s.most = 4
			}
			s.fault = func(int, *Request) (Answer, bool) {
				return Answer{Reply: Unknown, Code: "timeout"}, s.rng.Float64() < s.faults
			}
			rng := rand.New(rand.NewPCG(seed, 9))
			b := newDatedBench(t, mixedPeople(150, 2), Limits{Messages: 6, Bytes: 1 << 20})
			for range 12 {
				s.refuseRows(1 + rng.Int64N(150))
			}
			finish := func() {
				summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s, took: time.Second}, nil)
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
					b.recover(Recovery{})
				}
				retried += b.retry()
				if rng.IntN(3) == 0 {
					must(t, os.RemoveAll(filepath.Join(b.dir, logFolder)))
					b.recover(Recovery{})
				}
				finish()
			}
			for row, o := range b.outcomes() {
				m := testRun.MessageReference(row)
				switch sent := s.accepted[m.String()]; {
				case sent > 1, o.Fate == person.Accepted && sent != 1, o.Fate == person.Refused && sent != 0, o.Fate == person.NotSent:
					t.Errorf("seed %d, row %d was accepted %d times: %+v", seed, row, sent, o)
				}
			}
			unsure += b.ledger().Retry(nil).Sum().Unsure
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

// What is sent again is what was planned: where a batch does not come out so any more,
// nothing is recorded.
func TestARetryOnAnotherSpoolIsRefused(t *testing.T) {
	for sentence, change := range map[string]func(*people){
		"the name of somebody who was refused":  func(p *people) { p.shards[0][2].Fields[0] = "Taken2" },
		"the name of somebody who was accepted": func(p *people) { p.shards[0][0].Fields[0] = "Taken0" },
		"somebody is newly left out":            func(p *people) { p.shards[0][2].Suppressed = true },
		"the spool cannot be read":              func(p *people) { p.failAt = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, newPeople(6, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
			s.refuseRows(3)
			summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
			b.finished(s, summary, err)
			change(b.people)
			log, err := OpenProgressLog(b.dir, openPlan(t, b.dir))
			must(t, err)
			if err := log.Retry(log.Ledger.Retry(nil), b.people, encoding{}, "ann", "mended", time.Now()); !errors.Is(err, ErrChanged) && !errors.Is(err, errUnreadable) {
				t.Errorf("%s: %v", sentence, err)
			}
			must(t, log.Close())
			if l := b.ledger(); !l.Closed || l.Account().Fates[person.Refused] != 1 {
				t.Errorf("%s: and yet the account is %v", sentence, l.Account().Fates)
			}
		})
	}
}
