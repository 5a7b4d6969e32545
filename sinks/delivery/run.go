package delivery

import (
	"errors"
	"iter"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/shard"
)

// Run is a run with what the services said of its messages. The process that uses it holds the run's lock.
type Run struct {
	Dir   string // the run's folder
	Plan  *plan.Plan
	Spool *shard.Spool
	Facts *facts.Facts // of facts.Hold
}

// States folds the events of the run. The caller closes them.
func (r *Run) States() (*delivery.Sorter, error) {
	states, err := r.Facts.States(r.Dir)
	if err != nil {
		return nil, refusal.New("delivery_unreadable", "cause", err)
	}
	return states, nil
}

// Learn begins to collect events. The caller saves or closes them.
func (r *Run) Learn() (*facts.News, error) {
	news, err := r.Facts.Learn(r.Dir)
	if err != nil {
		return nil, refusal.New("delivery_unreadable", "cause", err)
	}
	return news, nil
}

// Known yields every message of the run in the order of rows, with its state.
func (r *Run) Known(states *delivery.Sorter) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		next, stop := iter.Pull2(states.All())
		defer stop()
		s, err, there := next()
		for m, e := range EachMessage(r.Dir, r.Plan, r.Spool) {
			for e == nil && err == nil && there && s.Row < m.Row {
				s, err, there = next()
			}
			if e != nil || err != nil {
				yield(Message{}, errors.Join(e, err))
				return
			}
			if there && s.Row == m.Row {
				state := s.State
				m.State = &state
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}
