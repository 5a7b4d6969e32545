package dispatch

import (
	"slices"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// drain takes everything that is due at a moment.
func drain(q *queue, now time.Time) (order []plan.FormID) {
	for {
		id, _, ok := q.next(now)
		if !ok {
			return order
		}
		q.take(id)
		order = append(order, id)
	}
}

func base(numbers ...uint32) (ids []plan.FormID) {
	for _, n := range numbers {
		ids = append(ids, plan.FormID{Batch: n})
	}
	return ids
}

// Three shards of 3, 2 and 2 batches: 0 1 2, 3 4, 5 6.
func queueLedger(t *testing.T) *ledger.Ledger {
	ledger, err := ledger.New(enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(7, 3, nil), engine.Limits{Messages: 1, Bytes: 1000}))
	enginetest.Must(t, err)
	return ledger
}

func TestTheQueueOfANewRunTakesTheShardsInTurn(t *testing.T) {
	now := time.Now()
	q := newQueue(queueLedger(t), engine.Deduplicates, false, now)
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
	enginetest.Must(t, l.Fold(&record.RunOpened{Plan: l.Plan.Digest}, journal.Position{}))
	answer := func(id plan.FormID, rec record.Record) {
		enginetest.Must(t, l.Fold(&record.Attempt{Form: id, N: l.State(id).Attempts + 1, At: now}, journal.Position{}))
		if rec != nil {
			enginetest.Must(t, l.Fold(rec, journal.Position{}))
		}
	}
	answer(plan.FormID{Batch: 0}, &record.Outcome{Form: plan.FormID{Batch: 0}, N: 1, Result: record.ResultAccepted})
	answer(plan.FormID{Batch: 3}, &record.Revision{Form: plan.FormID{Batch: 3}, N: 1, Number: 1, Parts: []plan.Form{{From: 0, To: 1, Messages: 1}}})
	answer(plan.FormID{Batch: 4}, &record.InDoubt{Form: plan.FormID{Batch: 4}, N: 1})
	answer(plan.FormID{Batch: 5}, nil)
	enginetest.Must(t, l.Fold(&record.RunOpened{Plan: l.Plan.Digest}, journal.Position{}))

	got := drain(newQueue(l, engine.Deduplicates, false, now), now)
	replays := []plan.FormID{{Batch: 4}, {Batch: 5}, {Batch: 3, Revision: 1}}
	for _, id := range replays {
		if !slices.Contains(got[:3], id) {
			t.Errorf("%v is not among the first: %v", id, got)
		}
	}
	slices.SortFunc(got[3:], func(a, b plan.FormID) int { return int(a.Batch) - int(b.Batch) })
	if !slices.Equal(got[3:], base(1, 2, 6)) {
		t.Errorf("behind the replays: %v", got[3:])
	}

	// Where the service would take them twice, what is in doubt stays where it is.
	for _, kind := range []engine.Kind{engine.CanBeAsked} {
		for _, id := range drain(newQueue(l, kind, false, now), now) {
			if l.State(id).IsDoubtful() {
				t.Errorf("kind %d: %v is in doubt and would be sent again", kind, id)
			}
		}
	}
}

func TestTheQueueHoldsBackWhatIsNotDue(t *testing.T) {
	now := time.Now()
	q := newQueue(queueLedger(t), engine.Deduplicates, false, now)
	drain(q, now)
	q.add(plan.FormID{Batch: 2}, now.Add(3*time.Second))
	q.add(plan.FormID{Batch: 1}, now.Add(2*time.Second))
	q.add(plan.FormID{Batch: 0}, now.Add(5*time.Second))
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
	q := newQueue(queueLedger(t), engine.Deduplicates, false, now)
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

// A batch of suppressed people alone is never sent.
func TestTheQueueLeavesEmptyBatchesOut(t *testing.T) {
	p := enginetest.NewPeople(4, 1, nil)
	p.ByLane[0][1].Suppressed = true
	p.ByLane[0][2].Suppressed = true
	ledger, err := ledger.New(enginetest.SealPlan(t, t.TempDir(), p, engine.Limits{Messages: 1, Bytes: 1000}))
	enginetest.Must(t, err)
	now := time.Now()
	if got, want := drain(newQueue(ledger, engine.Deduplicates, false, now), now), base(0, 3); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
