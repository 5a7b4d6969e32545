package engine

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine/journal"
	"cohort/ingest/person"
)

// MessageOutcome is what became of one record that was to be sent. What is not known
// is zero.
type MessageOutcome struct {
	Fate             person.Fate
	Code             string // the service's code, or a word of ours
	Reason           string // in words
	BatchReference   string // of the latest request that held it; empty when none did
	MessageReference string
	MessageID        string
	Attempts         int // requests that held it
	FirstAttempt     time.Time
	AcceptedAt       time.Time
	Unsure           bool // refused, when an unanswered request may yet have come in: never sent again
}

// CodeListedTooLate is the reason code of a message whose person a suppression list named
// when it had been attempted: it was accepted, or may have been.
const CodeListedTooLate = "listed_too_late"

// codeListed is why a form was replaced by one without the people whom a list names.
const codeListed = "listed"

// Trail tells the outcome of each record of a run, from its plan and its progress log.
// It holds the ids of one batch of each shard at a time. It is not safe for concurrent
// use.
type Trail struct {
	plan   *Plan
	ledger *Ledger
	ids    *journal.Reader
	shards []batchTrail
}

// batchTrail is the batch of one shard that is being told.
type batchTrail struct {
	number uint32 // of the batch after it
	end    uint32 // its first position that is no longer in it; 0 before the first
	forms  []formTrail
	log    *journal.Cursor

	refused, listed, late []RefusedRow

	// Neighbouring messages are mostly in the same forms: then the same is told of them.
	told  *MessageOutcome
	until uint32       // the first position of which something else is to be told
	ids   []*formTrail // those of the forms of told that have ids
}

type formTrail struct {
	Form
	id       FormID
	state    State
	ids      *decoder // at the id of the next message; nil without ids
	accepted time.Time
}

// OpenTrail makes a trail of the run in dir. The ledger must have been read from its
// progress log by ReadLedger.
func OpenTrail(dir string, plan *Plan, ledger *Ledger) (*Trail, error) {
	ids, err := journal.OpenReader(filepath.Join(dir, logFolder), plan.Run, journal.Options{})
	if err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	t := &Trail{plan: plan, ledger: ledger, ids: ids, shards: make([]batchTrail, len(plan.ShardStarts))}
	for shard := range t.shards {
		t.shards[shard].number, _ = plan.ShardBatches(shard)
		t.shards[shard].log = ids.Cursor()
	}
	return t, nil
}

// Close lets go of the trail's files.
func (t *Trail) Close() error { return t.ids.Close() }

// Outcome tells what became of the record of a row, which is at a position of a shard.
// For each shard it must be asked about every record to send to, in order.
func (t *Trail) Outcome(row int64, shard int, position uint32) (MessageOutcome, error) {
	told, id, err := t.Told(shard, position)
	if err != nil {
		return MessageOutcome{}, err
	}
	o := *told
	o.MessageReference, o.MessageID = t.plan.Run.MessageReference(row).String(), string(id)
	return o, nil
}

// Told is Outcome for many records: without the message's reference, and with its id, nil
// when it is not known, beside the rest. The rest is the same pointer for as long as the
// same is told of the records of a shard. Neither it nor the id may be changed.
func (t *Trail) Told(shard int, position uint32) (told *MessageOutcome, id []byte, err error) {
	b := &t.shards[shard]
	for position >= b.end {
		if err := t.enter(b); err != nil {
			return nil, nil, err
		}
	}
	if position >= b.until {
		t.tell(b, shard, position)
	}
	for _, f := range b.ids {
		id = f.ids.bytes(f.ids.count(1))
	}
	if r, refused := rowAt(b.refused, position); refused {
		if r.Reason == "" && isUploadRefused(r.Code) {
			r.Reason = "the file with the message was written, and the service has refused it"
		}
		alone := b.told.but(person.Refused, r.Code, r.Reason)
		alone.Unsure = t.ledger.unsure[b.number-1]
		return alone, id, nil
	} else if r, left := rowAt(b.listed, position); left {
		return b.told.but(person.Suppressed, r.Code, "a suppression list names the person since the cohort was planned"), id, nil
	} else if r, late := rowAt(b.late, position); late {
		return b.told.but(b.told.Fate, CodeListedTooLate, "a suppression list names the person ("+r.Code+") since the message was attempted"), id, nil
	}
	return b.told, id, nil
}

// but is what is told of one message alone.
func (o *MessageOutcome) but(fate person.Fate, code, reason string) *MessageOutcome {
	alone := *o
	alone.Fate, alone.Code, alone.Reason = fate, code, reason
	return &alone
}

// tell makes what is told of the message at a position, and of those behind it that are in
// the same forms.
func (t *Trail) tell(b *batchTrail, shard int, position uint32) {
	b.told, b.until, b.ids = &MessageOutcome{Fate: person.NotSent}, b.end, b.ids[:0]
	for i := range b.forms {
		f := &b.forms[i]
		holds, until := f.holds(position)
		b.until = min(b.until, until)
		if holds {
			t.add(b, shard, f)
		}
	}
}

// holds reports whether a position is in a form, and up to which the answer is the same.
func (f *Form) holds(position uint32) (bool, uint32) {
	switch {
	case position < f.From:
		return false, f.From
	case position >= f.To:
		return false, math.MaxUint32
	}
	i, dropped := slices.BinarySearch(f.Dropped, position)
	if dropped {
		return false, position + 1
	}
	if i < len(f.Dropped) {
		return true, min(f.To, f.Dropped[i])
	}
	return true, f.To
}

// add adds what one form says of the messages that are told.
func (t *Trail) add(b *batchTrail, shard int, f *formTrail) {
	o, s := b.told, f.state
	o.Attempts += int(s.Attempts - s.Unsent)
	if s.Attempts > s.Unsent || s.Lost {
		from, _ := t.plan.ShardBatches(shard)
		o.BatchReference = t.plan.Run.BatchReference(uint32(shard), f.id.Batch-from, f.id.Revision, f.id.Part).String()
		if first := s.First.Time(); !s.Lost && (o.FirstAttempt.IsZero() || first.Before(o.FirstAttempt)) {
			o.FirstAttempt = first
		}
	}
	if s.Phase == Replaced {
		return
	}
	o.Fate, o.Code = s.Fate(), t.ledger.Reason(s)
	o.Reason = reasonWords(s, o.Code)
	o.AcceptedAt = f.accepted
	if f.ids != nil {
		b.ids = append(b.ids, f)
	}
}

// eachOf is ids as eachID gives them.
func eachOf(ids []string) *decoder {
	var e encoder
	for _, id := range ids {
		e.text(id)
	}
	return &decoder{b: e.b}
}

// reasonWords says why the messages of a form are where they are.
func reasonWords(s State, code string) string {
	switch {
	case s.Phase == AcceptedBy && s.Resend.IsDone() && code == codeReceipt:
		return "the service's receipts name the message; a person has had it sent again, and it may have been taken twice"
	case s.Phase == AcceptedBy && s.Resend.IsDone():
		return "a person has had it sent again when an attempt was not answered, and it may have been taken twice"
	case s.Phase == AcceptedBy && code == codeReceipt:
		return "its answer was lost, and the service's receipts name the message"
	case s.Phase == AcceptedNo && code == codeDecided:
		return "a person has decided that what the service knows under the batch's reference is this run's; the message's id is not known"
	case s.Phase == AcceptedNo:
		return "an earlier attempt was accepted, as the service's duplicate answer shows; the message's id is not known"
	case s.Phase == Foreign:
		return "the service knows the batch's reference though this run never got an answer for it"
	case s.Phase == Live && s.Resend.IsDue():
		return "an attempt may have been accepted, and a person has decided that it is sent again"
	case s.Phase == Held && s.Resend.IsDone():
		return "an attempt may have been accepted; a person has had it sent again, and that may have been accepted too"
	case s.Phase == Held && s.Lost && code == codeListed:
		return "the log that knew whether it was attempted is lost, and a suppression list names somebody in the batch; it is not sent again unless a person decides so"
	case s.Phase == Held && s.Lost && !s.Doubted && s.Attempts == 0:
		return "the log that knew whether it was attempted is lost, and nothing can be sent again without it"
	case s.Phase == Held:
		return "an attempt may have been accepted, and no replay can settle it"
	case s.Lost && s.Fate() == person.InDoubt:
		return "the log that knew whether it was attempted is lost; a replay will settle it"
	case s.Fate() == person.InDoubt:
		return "an attempt was not answered, or not understandably; a replay will settle it"
	case s.Phase == Live && s.Attempts == 0 && code == codeRetried:
		return "the service refused it, and a person has decided that it is sent again"
	case s.Phase == Live && s.Attempts > 0:
		return "every attempt was certainly not accepted; it will be sent again"
	}
	return ""
}

// enter goes to the next batch of a shard.
func (t *Trail) enter(b *batchTrail) error {
	planned, err := t.plan.Batch(b.number)
	if err != nil {
		return err
	}
	b.end, b.until = planned.To, 0
	b.forms, b.ids = b.forms[:0], b.ids[:0]
	b.refused, b.listed, b.late = t.ledger.refused[b.number], t.ledger.listed[b.number], t.ledger.late[b.number]
	add := func(id FormID, form Form, s State) error {
		f := formTrail{Form: form, id: id, state: s}
		if s.Phase == AcceptedBy {
			if err := f.load(b.log); err != nil {
				return err
			}
		}
		b.forms = append(b.forms, f)
		return nil
	}
	if err := add(FormID{Batch: b.number}, planned.Form, t.ledger.base[b.number]); err != nil {
		return err
	}
	for revision := uint16(1); revision <= t.ledger.last[b.number]; revision++ {
		for part := uint16(0); ; part++ {
			id := FormID{b.number, revision, part}
			n := t.ledger.newer[id]
			if n == nil {
				break
			}
			if err := add(id, n.Form, n.state); err != nil {
				return err
			}
		}
	}
	b.number++
	return nil
}

// load reads the ids of an accepted form from the log.
func (f *formTrail) load(log *journal.Cursor) error {
	r, err := log.At(f.state.Settled.position())
	if err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	record, err := decodeRecord(r.Type, r.Payload)
	var of FormID
	var n int
	if err == nil {
		switch r := record.(type) {
		case *outcome:
			of, f.accepted = r.Form, r.At
			r.rawIDs = bytes.Clone(r.rawIDs) // they outlive the reading
			f.ids, n, err = r.eachID()
		case *resolved:
			of, f.accepted = r.Form, r.At
			f.ids, n = eachOf(r.IDs), len(r.IDs)
		}
	}
	if err == nil && (f.ids == nil || of != f.id) {
		err = ErrIllegal
	}
	if n == 0 {
		f.ids = nil // what took them gives no ids
	} else if err == nil && n != int(f.Messages) {
		err = fmt.Errorf("%w: a batch of %d messages was accepted with %d ids", ErrIllegal, f.Messages, n)
	}
	if err != nil {
		return fmt.Errorf("progress log: batch %d: %w", f.id.Batch, err)
	}
	return nil
}
