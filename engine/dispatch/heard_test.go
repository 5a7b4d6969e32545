package dispatch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/ingest/person"
)

// told is an inbox in memory.
type told struct {
	mu     sync.Mutex
	rows   map[int64]bool // that a service spoke of
	seen   map[int64]bool // as of the latest Collect
	broken error
	deaf   error // for Named alone
}

func (b *told) Collect(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = map[int64]bool{}
	for row := range b.rows {
		b.seen[row] = true
	}
	return b.broken
}
func (b *told) Any() bool         { return len(b.seen) > 0 }
func (b *told) Of(row int64) bool { return b.seen[row] }
func (b *told) Named(context.Context, engine.Reference) (string, bool, error) {
	return "", false, b.deaf
}

// Overnight, while workers stand at the gate, the service speaks of a message that was never sent, and of one that it
// has. The window's start halts for the first. Its batch is foreign, and nothing of it is ever sent.
func TestAWindowStartsWithTheInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour) // it is 05:00
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(300, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		box := &told{rows: map[int64]bool{}}
		pace := campaign.Pace{Messages: 100, Window: &campaign.Hours{From: 360, To: 420}, Location: time.UTC, LastCall: time.Minute}
		unsent := int64(0)
		time.AfterFunc(24*time.Hour, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			box.mu.Lock()
			defer box.mu.Unlock()
			for row := int64(1); row <= 300; row++ {
				if s.accepted[enginetest.TestRun.References().Message(row).String()] == 0 {
					unsent = row
				} else {
					box.rows[row] = true
				}
			}
			box.rows[unsent] = true
		})
		start := func() (Summary, error) {
			return b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace, j.Inbox = pace, box })
		}
		summary, err := start()
		stoppedBy(t, err, true, "reports about messages in 1 batches")
		if got := len(s.accepted); unsent == 0 || got != 100 || summary.Foreign != 1 || summary.Contradicted != 0 {
			t.Fatalf("the second window sent: %d messages in all; %+v", got, summary)
		}
		summary, err = start()
		if err != nil || summary.Foreign != 1 || summary.Account.Fates[person.NotSent] != 0 {
			t.Fatalf("%+v, %v", summary, err)
		}
		foreign := 0
		for row, o := range b.outcomes() {
			sent := s.accepted[enginetest.TestRun.References().Message(row).String()]
			if o.Code == ledger.CodeBatchReported && o.Fate == person.InDoubt && sent == 0 {
				foreign++
			} else if row == unsent || sent != 1 {
				t.Errorf("row %d: %+v, sent %d times", row, o, sent)
			}
		}
		if foreign != 10 {
			t.Errorf("%d messages are in the foreign batch", foreign)
		}
	})
}

// A person has doubt sent again. Nothing of it goes out while the inbox cannot be read.
func TestNoSecondMessageWithoutTheInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.forgetful = true
		s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
			return engine.Answer{Reply: engine.Unknown, Code: "timeout"}, n < 3
		}
		b := &bench{t, enginetest.NewPeople(10, 1, nil), t.TempDir()}
		enginetest.SealForgetful(t, b.dir, b.people)
		box := &told{}
		start := func() (Summary, error) {
			return b.start(t.Context(), &connection{kind: engine.CanBeAsked, service: s}, func(j *Job) { j.Ceiling, j.Inbox = 1, box })
		}
		_, err := start()
		enginetest.Must(t, err)
		time.Sleep(72 * time.Hour)
		_, err = b.decide(nil, nil, time.Now(), nil)
		enginetest.Must(t, err)
		requests := len(s.requests)
		summary := Summary{}
		for _, from := range []*error{&box.broken, &box.deaf} {
			*from = errors.New("the disk is broken")
			summary, err = start()
			stoppedBy(t, err, true, "while the callbacks cannot be read")
			if summary.Account.Fates[person.InDoubt] != 3 || len(s.requests) != requests {
				t.Fatalf("%+v; %d requests more", summary, len(s.requests)-requests)
			}
			*from = nil
		}
		if summary, err = start(); err != nil || summary.Account.Fates[person.Accepted] != 10 {
			t.Fatalf("%+v, %v", summary, err)
		}
	})
}
