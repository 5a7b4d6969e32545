package dispatch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// plainTrail is the trail of one shard without a thought of speed: every form of a batch is
// asked about every message, and every id is a text.
type plainTrail struct {
	t     *outcome.Reader // for its plan and ledger alone
	dir   string
	shard int
	index map[plan.FormID]int // in the body, of the next message
	ids   map[plan.FormID][]string
	at    map[plan.FormID]time.Time // when it was accepted
}

func newPlainTrail(t *outcome.Reader, dir string, shard int) *plainTrail {
	return &plainTrail{t, dir, shard, map[plan.FormID]int{}, map[plan.FormID][]string{}, map[plan.FormID]time.Time{}}
}

// forms lists every form that a batch ever had, the planned one first.
func (p *plainTrail) forms(batch uint32) (ids []plan.FormID) {
	for _, id := range formIDs(p.t.Ledger) {
		if id.Batch == batch {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p *plainTrail) outcome(row int64, position uint32) (o outcome.Message, err error) {
	l, plan := p.t.Ledger, p.t.Plan
	first, end := plan.LaneBatches(person.Lane(p.shard))
	for batch := first; batch < end; batch++ {
		planned, err := plan.Batch(batch)
		if err != nil {
			return o, err
		}
		if position < planned.From || position >= planned.To {
			continue
		}
		o = outcome.Message{Fate: person.NotSent, MessageReference: plan.References.Message(row).String()}
		for _, id := range p.forms(batch) {
			if err := p.add(&o, batch-first, id, position); err != nil {
				return o, err
			}
		}
		for _, r := range l.TooLate(batch) {
			if r.Position == position {
				o.Code, o.Reason = ledger.CodeListedTooLate, "a suppression list names the person ("+r.Code+") since the message was attempted"
			}
		}
		for _, r := range l.LeftOut(batch) {
			if r.Position == position {
				o.Fate, o.Code, o.Reason = person.Suppressed, r.Code, "a suppression list names the person since the cohort was planned"
				if strings.HasPrefix(r.Code, "overtaken_") {
					o.Reason = "the person is not due for this follow-up any more, since the cohort was planned"
				}
			}
		}
		for _, r := range l.Refused(batch) {
			if r.Position == position {
				o.Fate, o.Code, o.Reason, o.Unsure = person.Refused, r.Code, r.Reason, l.IsUnsure(batch)
			}
		}
		for _, r := range l.TooLate(batch) {
			if r.Position == position && r.Code == ledger.CodeContradicted && o.Fate != person.Accepted {
				was := string(o.Fate)
				if o.Fate != person.Suppressed && o.Code != ledger.CodeListedTooLate {
					was += " (" + o.Code + ")"
				}
				o.Code, o.Reason = ledger.CodeContradicted, "this account says "+was+", and the service reports about the message, so it has it; nothing more is sent to the person"
			}
		}
		return o, nil
	}
	return o, fmt.Errorf("shard %d has no batch of position %d", p.shard, position)
}

func (p *plainTrail) add(o *outcome.Message, batch uint32, id plan.FormID, position uint32) error {
	l := p.t.Ledger
	form, err := l.Form(id)
	if err != nil || position < form.From || position >= form.To || slices.Contains(form.Dropped, position) {
		return err
	}
	s := l.State(id)
	o.Attempts += int(s.Attempts - s.Unsent)
	if s.Attempts > s.Unsent || s.Loss != ledger.NotLost {
		o.BatchReference = p.t.Plan.References.Batch(person.Lane(p.shard), batch, id.Revision, id.Part).String()
		if first := s.First.Time(); s.Loss == ledger.NotLost && (o.FirstAttempt.IsZero() || first.Before(o.FirstAttempt)) {
			o.FirstAttempt = first
		}
	}
	if s.Phase != ledger.Replaced {
		o.Fate, o.Code, o.AcceptedAt = s.Fate(), l.Reason(s), time.Time{}
		o.Reason = outcome.ReasonWords(s, o.Code)
		if s.Phase == ledger.Accepted {
			if p.ids[id] == nil {
				log, err := journal.OpenReader(filepath.Join(p.dir, ledger.LogFolder), p.t.Plan.Run, journal.Options{})
				if err != nil {
					return err
				}
				defer func() { _ = log.Close() }()
				r, err := log.At(s.Settled.Position())
				if err != nil {
					return err
				}
				rec, err := record.Decode(r.Type, r.Payload)
				if err != nil {
					return err
				}
				switch r := rec.(type) {
				case *record.Outcome:
					p.at[id] = r.At
					p.ids[id], err = r.MessageIDs()
				case *record.Resolved: // the service's receipts told
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

// check compares the outcome of a message with the plain one.
func (p *plainTrail) check(row int64, position uint32, told outcome.Message) error {
	want, err := p.outcome(row, position)
	if err == nil && told != want {
		err = fmt.Errorf("row %d: the trail says %+v, and read plainly it is %+v", row, told, want)
	}
	return err
}
