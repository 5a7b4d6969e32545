package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"cohort/ingest/person"
)

// Refused messages are sent again when a person has mended the cause, in forms of their
// own; nobody else is sent to again, and what is refused again is refused.
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
		retry := func(codes ...string) int {
			plan := openPlan(t, b.dir)
			log, err := OpenProgressLog(b.dir, plan)
			must(t, err)
			n, err := Retry(log, plan, b.people, encoding{}, codes, time.Now())
			must(t, err)
			must(t, log.Retried(time.Now(), n, "ann", "the template is mended"))
			must(t, log.Close())
			return n
		}
		if n := retry("ANOTHER_CODE"); n != 0 {
			t.Errorf("%d of another code are sent again", n)
		}
		if n := retry(); n != refused {
			t.Errorf("%d are sent again", n)
		}
		if l := b.ledger(); l.Account().Fates[person.NotSent] != int64(refused) || l.Account().Check() != nil {
			t.Errorf("the account is %v", l.Account().Fates)
		}
		clear(s.bad)
		s.refuseRows(50) // is refused again
		before := len(s.requests)
		summary, err = b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		sent := 0
		for _, r := range s.requests[before:] {
			sent += r.messages
		}
		if sent < refused || sent > refused+3 {
			t.Errorf("%d messages were sent to send %d again", sent, refused)
		}
	})
}

func TestMessagesThatWereNotRefusedAreNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, newPeople(20, 1, nil), Limits{Messages: 10, Bytes: 1 << 20})
		s.refuseRows(3)
		summary, err := b.start(t.Context(), &connection{kind: Deduplicates, service: s}, nil)
		b.finished(s, summary, err)
		l := b.ledger()
		for sentence, form := range map[string]Form{
			"one who was accepted":             {From: 5, To: 6, Messages: 1},
			"one who was refused and a second": {From: 2, To: 4, Messages: 2},
		} {
			id := FormID{Batch: 0, Revision: l.last[0] + 1}
			if err := l.revise(&revision{Form: id, Number: id.Revision, Parts: []Form{form}}); err == nil {
				t.Errorf("%s is sent again", sentence)
			}
		}
	})
}
