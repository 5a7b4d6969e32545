package engine

import (
	"fmt"
	"slices"
	"time"

	"cohort/ingest/person"
)

// plainTrail is the trail of one shard without a thought of speed: every form of a batch is
// asked about every message, and every id is a text.
type plainTrail struct {
	t     *Trail // for its files alone
	shard int
	index map[FormID]int // in the body, of the next message
	ids   map[FormID][]string
	at    map[FormID]time.Time // when it was accepted
}

func newPlainTrail(t *Trail, shard int) *plainTrail {
	return &plainTrail{t, shard, map[FormID]int{}, map[FormID][]string{}, map[FormID]time.Time{}}
}

// forms lists every form that a batch ever had, the planned one first.
func (p *plainTrail) forms(batch uint32) (ids []FormID) {
	for id := range p.t.ledger.newer {
		if id.Batch == batch {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b FormID) int {
		return int(a.Revision)<<16 + int(a.Part) - int(b.Revision)<<16 - int(b.Part)
	})
	return append([]FormID{{Batch: batch}}, ids...)
}

func (p *plainTrail) outcome(row int64, position uint32) (o MessageOutcome, err error) {
	l, plan := p.t.ledger, p.t.plan
	first, end := plan.ShardBatches(p.shard)
	for batch := first; batch < end; batch++ {
		planned, err := plan.Batch(batch)
		if err != nil {
			return o, err
		}
		if position < planned.From || position >= planned.To {
			continue
		}
		o = MessageOutcome{Fate: person.NotSent, MessageReference: plan.Run.MessageReference(row).String()}
		for _, id := range p.forms(batch) {
			if err := p.add(&o, batch-first, id, position); err != nil {
				return o, err
			}
		}
		for _, r := range l.late[batch] {
			if r.Position == position {
				o.Code, o.Reason = CodeListedTooLate, "a suppression list names the person ("+r.Code+") since the message was attempted"
			}
		}
		for _, r := range l.listed[batch] {
			if r.Position == position {
				o.Fate, o.Code, o.Reason = person.Suppressed, r.Code, "a suppression list names the person since the cohort was planned"
			}
		}
		for _, r := range l.refused[batch] {
			if r.Position == position {
				o.Fate, o.Code, o.Reason, o.Unsure = person.Refused, r.Code, r.Reason, l.unsure[batch]
			}
		}
		return o, nil
	}
	return o, fmt.Errorf("shard %d has no batch of position %d", p.shard, position)
}

func (p *plainTrail) add(o *MessageOutcome, batch uint32, id FormID, position uint32) error {
	l := p.t.ledger
	form, err := l.Form(id)
	if err != nil || position < form.From || position >= form.To || slices.Contains(form.Dropped, position) {
		return err
	}
	s := l.State(id)
	o.Attempts += int(s.Attempts - s.Unsent)
	if s.Attempts > s.Unsent || s.Lost {
		o.BatchReference = p.t.plan.Run.BatchReference(uint32(p.shard), batch, id.Revision, id.Part).String()
		if first := s.First.Time(); !s.Lost && (o.FirstAttempt.IsZero() || first.Before(o.FirstAttempt)) {
			o.FirstAttempt = first
		}
	}
	if s.Phase != Replaced {
		o.Fate, o.Code, o.AcceptedAt = s.Fate(), l.Reason(s), time.Time{}
		o.Reason = reasonWords(s, o.Code)
		if s.Phase == AcceptedBy {
			if p.ids[id] == nil {
				r, err := p.t.ids.At(s.Settled.position())
				if err != nil {
					return err
				}
				record, err := decodeRecord(r.Type, r.Payload)
				if err != nil {
					return err
				}
				switch r := record.(type) {
				case *outcome:
					p.at[id] = r.At
					p.ids[id], err = r.ids()
				case *resolved: // the service's receipts told
					p.at[id], p.ids[id] = r.At, r.IDs
				}
				if err != nil {
					return err
				}
			}
			o.AcceptedAt = p.at[id]
			if len(p.ids[id]) > 0 { // what takes messages may give no ids
				o.MessageID = p.ids[id][p.index[id]]
			}
		}
	}
	p.index[id]++
	return nil
}

// check holds what the trail tells of a message against the plain one.
func (p *plainTrail) check(row int64, position uint32, told MessageOutcome) error {
	want, err := p.outcome(row, position)
	if err == nil && told != want {
		err = fmt.Errorf("row %d: the trail says %+v, and read plainly it is %+v", row, told, want)
	}
	return err
}
