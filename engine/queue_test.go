package engine

import (
	"slices"
	"testing"
	"time"
)

// drain takes everything that is due at a moment.
func drain(q *queue, now time.Time) (order []FormID) {
	for {
		id, _, ok := q.next(now)
		if !ok {
			return order
		}
		q.take(id)
		order = append(order, id)
	}
}

func base(numbers ...uint32) (ids []FormID) {
	for _, n := range numbers {
		ids = append(ids, FormID{Batch: n})
	}
	return ids
}

// Three shards of 3, 2 and 2 batches: 0 1 2, 3 4, 5 6.
func queueLedger(t *testing.T) *Ledger {
	ledger, err := NewLedger(sealPlan(t, t.TempDir(), newPeople(7, 3, nil), Limits{Messages: 1, Bytes: 1000}))
	must(t, err)
	return ledger
}

func TestTheQueueOfANewRunTakesTheShardsInTurn(t *testing.T) {
	now := time.Now()
	q := newQueue(queueLedger(t), Deduplicates, false, now)
	if got, want := drain(q, now), base(0, 3, 5, 1, 4, 6, 2); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, wait, ok := q.next(now); ok || wait != 0 {
		t.Errorf("an empty queue says %v, %v", wait, ok)
	}
}

func TestTheQueueOfAResumedRunReplaysFirst(t *testing.T) {
	now := time.Now()
	l := queueLedger(t)
	must(t, l.apply(&runOpened{Plan: l.plan.Digest}, noPosition))
	answer := func(id FormID, record any) {
		must(t, l.apply(&attempt{Form: id, N: l.State(id).Attempts + 1, At: now}, noPosition))
		if record != nil {
			must(t, l.apply(record, noPosition))
		}
	}
	answer(FormID{Batch: 0}, &outcome{Form: FormID{Batch: 0}, N: 1, Result: ResultAccepted})
	answer(FormID{Batch: 3}, &revision{Form: FormID{Batch: 3}, N: 1, Number: 1, Parts: []Form{{From: 0, To: 1, Messages: 1}}})
	answer(FormID{Batch: 4}, &inDoubt{Form: FormID{Batch: 4}, N: 1})
	answer(FormID{Batch: 5}, nil)
	must(t, l.apply(&runOpened{Plan: l.plan.Digest}, noPosition))

	got := drain(newQueue(l, Deduplicates, false, now), now)
	replays := []FormID{{Batch: 4}, {Batch: 5}, {Batch: 3, Revision: 1}}
	for _, id := range replays {
		if !slices.Contains(got[:3], id) {
			t.Errorf("%v is not among the first: %v", id, got)
		}
	}
	slices.SortFunc(got[3:], func(a, b FormID) int { return int(a.Batch) - int(b.Batch) })
	if !slices.Equal(got[3:], base(1, 2, 6)) {
		t.Errorf("behind the replays: %v", got[3:])
	}

	// Where the service would take them twice, what is in doubt stays where it is.
	for _, kind := range []Kind{CanBeAsked, Neither} {
		for _, id := range drain(newQueue(l, kind, false, now), now) {
			if l.State(id).InDoubt {
				t.Errorf("kind %d: %v is in doubt and would be sent again", kind, id)
			}
		}
	}
}

func TestTheQueueHoldsBackWhatIsNotDue(t *testing.T) {
	now := time.Now()
	q := newQueue(queueLedger(t), Deduplicates, false, now)
	drain(q, now)
	q.add(FormID{Batch: 2}, now.Add(3*time.Second))
	q.add(FormID{Batch: 1}, now.Add(2*time.Second))
	q.add(FormID{Batch: 0}, now.Add(5*time.Second))
	if _, wait, ok := q.next(now); ok || wait != 2*time.Second {
		t.Errorf("the wait is %s, %v", wait, ok)
	}
	if got := drain(q, now.Add(2*time.Second-1)); got != nil {
		t.Errorf("early: %v", got)
	}
	if got, want := drain(q, now.Add(3*time.Second)), base(1, 2); !slices.Equal(got, want) {
		t.Errorf("due are %v, want %v", got, want)
	}
	if got, want := drain(q, now.Add(time.Hour)), base(0); !slices.Equal(got, want) {
		t.Errorf("later due are %v, want %v", got, want)
	}
}

// What was never attempted goes out while a replay waits for its time.
func TestTheQueueDoesNotStandStillForAReplay(t *testing.T) {
	now := time.Now()
	q := newQueue(queueLedger(t), Deduplicates, false, now)
	id, _, _ := q.next(now)
	q.take(id)
	q.add(id, now.Add(time.Minute))
	if got, want := drain(q, now), base(3, 5, 1, 4, 6, 2); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := drain(q, now.Add(time.Minute)); !slices.Equal(got, base(0)) {
		t.Errorf("then %v", got)
	}
}

// Batches in which everybody is suppressed are never sent.
func TestTheQueueLeavesEmptyBatchesOut(t *testing.T) {
	p := newPeople(4, 1, nil)
	p.shards[0][1].Suppressed = true
	p.shards[0][2].Suppressed = true
	ledger, err := NewLedger(sealPlan(t, t.TempDir(), p, Limits{Messages: 1, Bytes: 1000}))
	must(t, err)
	now := time.Now()
	if got, want := drain(newQueue(ledger, Deduplicates, false, now), now), base(0, 3); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
