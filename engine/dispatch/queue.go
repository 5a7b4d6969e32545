package dispatch

import (
	"container/heap"
	"time"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// queue holds the forms still to be sent. First come the forms that are due again, oldest
// first. Then come the batches that were never attempted, one from each shard in turn, so
// that no shard runs alone at the end. The run's loop owns it.
type queue struct {
	again dueForms
	fresh []span // by shard: its batches that were never handed out
	turn  int    // the next shard
	state func(plan.FormID) ledger.State
}

type span struct{ next, end uint32 }

type dueForm struct {
	form plan.FormID
	due  time.Time
}

// newQueue fills a queue from a ledger. What was attempted before and is not settled comes first. What is in doubt is
// replayed only to a service that takes a reference once. settle leaves out everything else.
func newQueue(l *ledger.Ledger, kind engine.Kind, settle bool, now time.Time) *queue {
	q := &queue{state: l.State}
	again := func(s ledger.State) bool {
		if s.Resend.IsDue() { // a person has decided it, so it is no replay
			return !s.IsSettled() && !settle
		}
		return !s.IsSettled() && (kind == engine.Deduplicates || !s.IsDoubtful()) && (s.IsDoubtful() || !settle)
	}
	for shard := range l.Plan.LaneStarts {
		from, to := l.Plan.LaneBatches(person.Lane(shard))
		if settle {
			q.fresh = append(q.fresh, span{to, to})
		} else {
			q.fresh = append(q.fresh, span{from, to})
		}
	}
	for id, s := range l.Begun {
		if again(s) {
			q.add(id, l.DueAt(id, now))
		}
	}
	return q
}

func (q *queue) add(id plan.FormID, due time.Time) { heap.Push(&q.again, dueForm{id, due}) }

// next returns a form that may be sent at now. Without one, wait is the time until the first
// is due, 0 when the queue is empty.
func (q *queue) next(now time.Time) (id plan.FormID, wait time.Duration, ok bool) {
	for len(q.again) > 0 {
		if s := q.state(q.again[0].form); !s.IsSettled() {
			break
		}
		heap.Pop(&q.again) // it was replaced while it waited
	}
	if len(q.again) > 0 && !q.again[0].due.After(now) {
		return q.again[0].form, 0, true
	}
	for range q.fresh {
		s := &q.fresh[q.turn]
		for ; s.next < s.end; s.next++ {
			if state := q.state(plan.FormID{Batch: s.next}); state.Attempts == 0 && !state.IsDoubtful() && !state.IsSettled() {
				return plan.FormID{Batch: s.next}, 0, true
			}
		}
		q.turn = (q.turn + 1) % len(q.fresh)
	}
	if len(q.again) > 0 {
		return plan.FormID{}, q.again[0].due.Sub(now), false
	}
	return plan.FormID{}, 0, false
}

// take removes the form that next returned.
func (q *queue) take(id plan.FormID) {
	if len(q.again) > 0 && q.again[0].form == id {
		heap.Pop(&q.again)
		return
	}
	q.fresh[q.turn].next++
	q.turn = (q.turn + 1) % len(q.fresh)
}

type dueForms []dueForm

func (d dueForms) Len() int           { return len(d) }
func (d dueForms) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d dueForms) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dueForms) Push(x any)        { *d = append(*d, x.(dueForm)) }
func (d *dueForms) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}
