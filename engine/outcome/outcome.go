package outcome

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// MessageOutcome is what became of one record that was to be sent. What is not known
// is zero.
type Message struct {
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

// Trail tells the outcome of each record of a run, from its plan and its progress log.
// It holds the ids of one batch of each shard at a time. It is not safe for concurrent
// use.
type Reader struct {
	Plan   *plan.Plan
	Ledger *ledger.Ledger
	Ids    *journal.Reader
	shards []batchReader
}

// batchTrail is the batch of one shard that is being told.
type batchReader struct {
	number uint32 // of the batch after it
	end    uint32 // its first position that is no longer in it; 0 before the first
	forms  []formReader
	log    *journal.Cursor

	refused, listed, late []record.RefusedRow

	// Neighbouring messages are mostly in the same forms: then the same is told of them.
	told  *Message
	until uint32        // the first position of which something else is to be told
	ids   []*formReader // those of the forms of told that have ids
}

type formReader struct {
	plan.Form
	id       plan.FormID
	state    ledger.State
	ids      *record.Decoder // at the id of the next message; nil without ids
	accepted time.Time
}

// OpenTrail makes a trail of the run in dir. The ledger must have been read from its
// progress log by ReadLedger.
func Open(dir string, plan *plan.Plan, folded *ledger.Ledger) (*Reader, error) {
	ids, err := journal.OpenReader(filepath.Join(dir, ledger.LogFolder), plan.Run, journal.Options{})
	if err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	t := &Reader{Plan: plan, Ledger: folded, Ids: ids, shards: make([]batchReader, len(plan.ShardStarts))}
	for shard := range t.shards {
		t.shards[shard].number, _ = plan.ShardBatches(shard)
		t.shards[shard].log = ids.Cursor()
	}
	return t, nil
}

// Close lets go of the trail's files.
func (t *Reader) Close() error { return t.Ids.Close() }

// Outcome tells what became of the record of a row, which is at a position of a shard.
// For each shard it must be asked about every record to send to, in order.
func (t *Reader) Outcome(row int64, shard int, position uint32) (Message, error) {
	told, id, err := t.At(shard, position)
	if err != nil {
		return Message{}, err
	}
	o := *told
	o.MessageReference, o.MessageID = t.Plan.Run.MessageReference(row).String(), string(id)
	return o, nil
}

// Told is Outcome for many records: without the message's reference, and with its id, nil
// when it is not known, beside the rest. The rest is the same pointer for as long as the
// same is told of the records of a shard. Neither it nor the id may be changed.
func (t *Reader) At(shard int, position uint32) (told *Message, id []byte, err error) {
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
		id = f.ids.Bytes(f.ids.Count(1))
	}
	if r, refused := ledger.RowAt(b.refused, position); refused {
		if r.Reason == "" && ledger.IsUploadRefused(r.Code) {
			r.Reason = "the file with the message was written, and the service has refused it"
		}
		alone := b.told.but(person.Refused, r.Code, r.Reason)
		alone.Unsure = t.Ledger.IsUnsure(b.number - 1)
		return alone, id, nil
	} else if r, left := ledger.RowAt(b.listed, position); left {
		return b.told.but(person.Suppressed, r.Code, "a suppression list names the person since the cohort was planned"), id, nil
	} else if r, late := ledger.RowAt(b.late, position); late {
		return b.told.but(b.told.Fate, ledger.CodeListedTooLate, "a suppression list names the person ("+r.Code+") since the message was attempted"), id, nil
	}
	return b.told, id, nil
}

// but is what is told of one message alone.
func (o *Message) but(fate person.Fate, code, reason string) *Message {
	alone := *o
	alone.Fate, alone.Code, alone.Reason = fate, code, reason
	return &alone
}

// tell makes what is told of the message at a position, and of those behind it that are in
// the same forms.
func (t *Reader) tell(b *batchReader, shard int, position uint32) {
	b.told, b.until, b.ids = &Message{Fate: person.NotSent}, b.end, b.ids[:0]
	for i := range b.forms {
		f := &b.forms[i]
		holds, until := f.Holds(position)
		b.until = min(b.until, until)
		if holds {
			t.add(b, shard, f)
		}
	}
}

// add adds what one form says of the messages that are told.
func (t *Reader) add(b *batchReader, shard int, f *formReader) {
	o, s := b.told, f.state
	o.Attempts += int(s.Attempts - s.Unsent)
	if s.Attempts > s.Unsent || s.Lost {
		from, _ := t.Plan.ShardBatches(shard)
		o.BatchReference = t.Plan.Run.BatchReference(uint32(shard), f.id.Batch-from, f.id.Revision, f.id.Part).String()
		if first := s.First.Time(); !s.Lost && (o.FirstAttempt.IsZero() || first.Before(o.FirstAttempt)) {
			o.FirstAttempt = first
		}
	}
	if s.Phase == ledger.Replaced {
		return
	}
	o.Fate, o.Code = s.Fate(), t.Ledger.Reason(s)
	o.Reason = ReasonWords(s, o.Code)
	o.AcceptedAt = f.accepted
	if f.ids != nil {
		b.ids = append(b.ids, f)
	}
}

// eachOf is ids as eachID gives them.
func eachOf(ids []string) *record.Decoder {
	var e record.Encoder
	for _, id := range ids {
		e.Text(id)
	}
	return &record.Decoder{B: e.B}
}

// reasonWords says why the messages of a form are where they are.
func ReasonWords(s ledger.State, code string) string {
	switch {
	case s.Phase == ledger.AcceptedBy && s.Resend.IsDone() && code == ledger.CodeReceipt:
		return "the service's receipts name the message; a person has had it sent again, and it may have been taken twice"
	case s.Phase == ledger.AcceptedBy && s.Resend.IsDone():
		return "a person has had it sent again when an attempt was not answered, and it may have been taken twice"
	case s.Phase == ledger.AcceptedBy && code == ledger.CodeReceipt:
		return "its answer was lost, and the service's receipts name the message"
	case s.Phase == ledger.AcceptedNo && code == ledger.CodeDecided:
		return "a person has decided that what the service knows under the batch's reference is this run's; the message's id is not known"
	case s.Phase == ledger.AcceptedNo:
		return "an earlier attempt was accepted, as the service's duplicate answer shows; the message's id is not known"
	case s.Phase == ledger.Foreign:
		return "the service knows the batch's reference though this run never got an answer for it"
	case s.Phase == ledger.Live && s.Resend.IsDue():
		return "an attempt may have been accepted, and a person has decided that it is sent again"
	case s.Phase == ledger.Held && s.Resend.IsDone():
		return "an attempt may have been accepted; a person has had it sent again, and that may have been accepted too"
	case s.Phase == ledger.Held && s.Lost && code == ledger.CodeListed:
		return "the log that knew whether it was attempted is lost, and a suppression list names somebody in the batch; it is not sent again unless a person decides so"
	case s.Phase == ledger.Held && s.Lost && !s.Doubted && s.Attempts == 0:
		return "the log that knew whether it was attempted is lost, and nothing can be sent again without it"
	case s.Phase == ledger.Held:
		return "an attempt may have been accepted, and no replay can settle it"
	case s.Lost && s.Fate() == person.InDoubt:
		return "the log that knew whether it was attempted is lost; a replay will settle it"
	case s.Fate() == person.InDoubt:
		return "an attempt was not answered, or not understandably; a replay will settle it"
	case s.Phase == ledger.Live && s.Attempts == 0 && code == ledger.CodeRetried:
		return "the service refused it, and a person has decided that it is sent again"
	case s.Phase == ledger.Live && s.Attempts > 0:
		return "every attempt was certainly not accepted; it will be sent again"
	}
	return ""
}

// enter goes to the next batch of a shard.
func (t *Reader) enter(b *batchReader) error {
	planned, err := t.Plan.Batch(b.number)
	if err != nil {
		return err
	}
	b.end, b.until = planned.To, 0
	b.forms, b.ids = b.forms[:0], b.ids[:0]
	b.refused, b.listed, b.late = t.Ledger.Refused(b.number), t.Ledger.LeftOut(b.number), t.Ledger.TooLate(b.number)
	for id, form := range t.Ledger.EveryForm(&planned) {
		f := formReader{Form: form, id: id, state: t.Ledger.State(id)}
		if f.state.Phase == ledger.AcceptedBy {
			if err := f.load(b.log); err != nil {
				return err
			}
		}
		b.forms = append(b.forms, f)
	}
	b.number++
	return nil
}

// load reads the ids of an accepted form from the log.
func (f *formReader) load(log *journal.Cursor) error {
	r, err := log.At(f.state.Settled.Position())
	if err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	rec, err := record.Decode(r.Type, r.Payload)
	var of plan.FormID
	var n int
	if err == nil {
		switch r := rec.(type) {
		case *record.Outcome:
			of, f.accepted = r.Form, r.At
			r.RawIDs = bytes.Clone(r.RawIDs) // they outlive the reading
			f.ids, n, err = r.EachID()
		case *record.Resolved:
			of, f.accepted = r.Form, r.At
			f.ids, n = eachOf(r.IDs), len(r.IDs)
		}
	}
	if err == nil && (f.ids == nil || of != f.id) {
		err = ledger.ErrIllegal
	}
	if n == 0 {
		f.ids = nil // what took them gives no ids
	} else if err == nil && n != int(f.Messages) {
		err = fmt.Errorf("%w: a batch of %d messages was accepted with %d ids", ledger.ErrIllegal, f.Messages, n)
	}
	if err != nil {
		return fmt.Errorf("progress log: batch %d: %w", f.id.Batch, err)
	}
	return nil
}
