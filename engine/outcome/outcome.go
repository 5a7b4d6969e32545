// Package outcome returns what became of each record of a run.
package outcome

import (
	"fmt"
	"path/filepath"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// Message is the outcome of one record that was to be sent. What is not known is zero.
type Message struct {
	Fate             person.Fate
	Code             string // the service's code, or one of ours
	Reason           string // in words
	BatchReference   string // of the latest request with it; empty: none
	MessageReference string
	MessageID        string
	Attempts         int // requests with it
	FirstAttempt     time.Time
	AcceptedAt       time.Time
	Unsure           bool // refused, and an unanswered request may have been accepted: it is never sent again
}

// Reader returns the outcome of each record of a run, from its plan and its progress log. It holds the message ids of
// one batch of each lane at a time. It is not safe for concurrent use.
type Reader struct {
	Plan   *plan.Plan
	Ledger *ledger.Ledger
	log    *journal.Reader
	lanes  []batchReader

	decoder record.Decoder
}

type batchReader struct {
	next  uint32 // the batch behind it
	end   uint32 // the first position behind it; 0 before the first batch
	forms []formReader

	refused, listed, late []record.RefusedRow
	none                  bool // of the three: nobody in the batch has an outcome alone

	// Neighbouring messages are mostly in the same forms, and share an outcome. The one before it stays as it was.
	shared *Message
	room   [2]Message
	until  uint32        // the first position with another outcome
	ids    []*formReader // forms of shared with message ids
}

type formReader struct {
	plan.Form
	id       plan.FormID
	state    ledger.State
	ids      *record.IDs // at the next message; nil without ids
	accepted time.Time
}

// Open returns a reader for the run in dir. The ledger comes from ledger.Read.
func Open(dir string, plan *plan.Plan, folded *ledger.Ledger) (*Reader, error) {
	log, err := journal.OpenReader(filepath.Join(dir, ledger.LogFolder), plan.Run, journal.Options{})
	if err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	t := &Reader{Plan: plan, Ledger: folded, log: log, lanes: make([]batchReader, len(plan.LaneStarts))}
	for lane := range t.lanes {
		t.lanes[lane].next, _ = plan.LaneBatches(person.Lane(lane))
	}
	return t, nil
}

func (t *Reader) Close() error { return t.log.Close() }

// Outcome returns the outcome of the record of a row, at a position of a lane. The caller asks about each record of a
// lane that was to be sent, in order.
func (t *Reader) Outcome(row int64, lane person.Lane, position uint32) (Message, error) {
	shared, id, err := t.At(lane, position)
	if err != nil {
		return Message{}, err
	}
	o := *shared
	o.MessageReference, o.MessageID = t.Plan.References.Message(row).String(), string(id)
	return o, nil
}

// At is Outcome for many records. It returns the message id separately, nil when unknown, and no message reference. While
// records of a lane share an outcome, the pointer is the same; the next outcome has another one. The caller copies what
// it keeps, and changes neither the outcome nor the id.
func (t *Reader) At(lane person.Lane, position uint32) (shared *Message, id []byte, err error) {
	b := &t.lanes[lane]
	for position >= b.end {
		if err := t.enter(b); err != nil {
			return nil, nil, err
		}
	}
	if position >= b.until {
		t.share(b, lane, position)
	}
	for _, f := range b.ids {
		id = f.ids.Next()
	}
	if b.none {
		return b.shared, id, nil
	}
	if t.Ledger.IsContradicted(b.next-1, position) && b.shared.Fate != person.Accepted {
		return b.contradicted(position), id, nil
	}
	if r, refused := ledger.RowAt(b.refused, position); refused {
		if r.Reason == "" && ledger.IsUploadRefused(r.Code) {
			r.Reason = "the file with the message was written, and the service has refused it"
		}
		alone := b.shared.with(person.Refused, r.Code, r.Reason)
		alone.Unsure = t.Ledger.IsUnsure(b.next - 1)
		return alone, id, nil
	} else if r, left := ledger.RowAt(b.listed, position); left {
		return b.shared.with(person.Suppressed, r.Code, "a suppression list names the person since the cohort was planned"), id, nil
	} else if r, late := ledger.RowAt(b.late, position); late {
		reason := "a suppression list names the person (" + r.Code + ") since the message was attempted"
		return b.shared.with(b.shared.Fate, ledger.CodeListedTooLate, reason), id, nil
	}
	return b.shared, id, nil
}

// contradicted is the outcome of a message that the service reports about. The account stays as it is.
func (b *batchReader) contradicted(position uint32) *Message {
	fate, code := b.shared.Fate, b.shared.Code
	if r, refused := ledger.RowAt(b.refused, position); refused {
		fate, code = person.Refused, r.Code
	} else if _, left := ledger.RowAt(b.listed, position); left {
		fate, code = person.Suppressed, ""
	}
	if code != "" {
		code = " (" + code + ")"
	}
	return b.shared.with(fate, ledger.CodeContradicted,
		"this account says "+string(fate)+code+", and the service reports about the message, so it has it; nothing more is sent to the person")
}

func (o *Message) with(fate person.Fate, code, reason string) *Message {
	alone := *o
	alone.Fate, alone.Code, alone.Reason = fate, code, reason
	return &alone
}

// share computes the outcome of the message at a position, and of the messages behind it in the same forms.
func (t *Reader) share(b *batchReader, lane person.Lane, position uint32) {
	next := &b.room[0]
	if b.shared == next {
		next = &b.room[1]
	}
	*next = Message{Fate: person.NotSent}
	b.shared, b.until, b.ids = next, b.end, b.ids[:0]
	for i := range b.forms {
		f := &b.forms[i]
		holds, until := f.Holds(position)
		b.until = min(b.until, until)
		if holds {
			t.add(b, lane, f)
		}
	}
}

func (t *Reader) add(b *batchReader, lane person.Lane, f *formReader) {
	o, s := b.shared, f.state
	lost := s.Loss != ledger.NotLost
	o.Attempts += int(s.Attempts - s.Unsent)
	if s.Attempts > s.Unsent || lost {
		from, _ := t.Plan.LaneBatches(lane)
		o.BatchReference = t.Plan.References.Batch(lane, f.id.Batch-from, f.id.Revision, f.id.Part).String()
		if first := s.First.Time(); !lost && (o.FirstAttempt.IsZero() || first.Before(o.FirstAttempt)) {
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

// ReasonWords explains the state of a form in words; empty when there is nothing to explain.
func ReasonWords(s ledger.State, code string) string {
	switch {
	case s.IsAccepted():
		return acceptedWords(s, code)
	case s.Phase == ledger.Foreign && code == ledger.CodeBatchReported:
		return "the service reports about the batch though this run never sent it"
	case s.Phase == ledger.Foreign:
		return "the service knows the batch's reference though this run never got an answer for it"
	case s.Phase == ledger.Held:
		return heldWords(s, code)
	case s.Phase == ledger.Planned && s.Attempts > 0:
		return "every attempt was certainly not accepted; it will be sent again"
	case s.Phase == ledger.Planned && code == ledger.CodeRetried:
		return "the service refused it, and a person has decided that it is sent again"
	case s.Phase == ledger.Planned, s.Phase == ledger.Replaced:
		return ""
	case s.Resend.IsDue():
		return "an attempt may have been accepted, and a person has decided that it is sent again"
	case s.Loss != ledger.NotLost:
		return "the log that knew whether it was attempted is lost; a replay will settle it"
	}
	return "an attempt was not answered, or not understandably; a replay will settle it"
}

func acceptedWords(s ledger.State, code string) string {
	switch receipt := code == ledger.CodeReceipt; {
	case s.Phase == ledger.AcceptedUnknown && code == ledger.CodeDecided:
		return "a person has decided that what the service knows under the batch's reference is this run's; the message's id is not known"
	case s.Phase == ledger.AcceptedUnknown:
		return "an earlier attempt was accepted, as the service's duplicate answer shows; the message's id is not known"
	case s.Resend.IsDone() && receipt:
		return "the service's receipts name the message; a person has had it sent again, and it may have been taken twice"
	case s.Resend.IsDone():
		return "a person has had it sent again when an attempt was not answered, and it may have been taken twice"
	case receipt:
		return "its answer was lost, and the service's receipts name the message"
	}
	return ""
}

func heldWords(s ledger.State, code string) string {
	switch {
	case s.Resend.IsDone():
		return "an attempt may have been accepted; a person has had it sent again, and that may have been accepted too"
	case s.Loss != ledger.NotLost && code == ledger.CodeListed:
		return "the log that knew whether it was attempted is lost, and a suppression list names somebody in the batch; it is not sent again unless a person decides so"
	case s.Loss == ledger.LogLost && s.Attempts == 0:
		return "the log that knew whether it was attempted is lost, and nothing can be sent again without it"
	}
	return "an attempt may have been accepted, and no replay can settle it"
}

func (t *Reader) enter(b *batchReader) error {
	planned, err := t.Plan.Batch(b.next)
	if err != nil {
		return err
	}
	b.end, b.until = planned.To, 0
	b.forms, b.ids = b.forms[:0], b.ids[:0]
	b.refused, b.listed, b.late = t.Ledger.Refused(b.next), t.Ledger.LeftOut(b.next), t.Ledger.TooLate(b.next)
	b.none = len(b.refused)+len(b.listed)+len(b.late) == 0
	for id, form := range t.Ledger.EveryForm(&planned) {
		f := formReader{Form: form, id: id, state: t.Ledger.State(id)}
		if f.state.Phase == ledger.Accepted {
			if err := t.load(&f); err != nil {
				return fmt.Errorf("progress log: batch %d: %w", id.Batch, err)
			}
		}
		b.forms = append(b.forms, f)
	}
	b.next++
	return nil
}

// load reads the message ids of an accepted form from the log.
func (t *Reader) load(f *formReader) error {
	r, err := t.log.At(f.state.Settled.Position())
	if err != nil {
		return err
	}
	rec, err := t.decoder.Decode(r.Type, r.Payload)
	if err != nil {
		return err
	}
	var of plan.FormID
	var n int
	switch r := rec.(type) {
	case *record.Outcome:
		of, f.accepted = r.Form, r.At
		if f.ids, n, err = r.EachID(); err != nil {
			return err
		}
	case *record.Resolved:
		of, f.accepted = r.Form, r.At
		f.ids, n = record.IDsOf(r.IDs), len(r.IDs)
	}
	switch {
	case f.ids == nil || of != f.id:
		return ledger.ErrIllegal
	case n == 0:
		f.ids = nil // the sink gives no ids
	case n != int(f.Messages):
		return fmt.Errorf("%w: a batch of %d messages was accepted with %d ids", ledger.ErrIllegal, f.Messages, n)
	}
	return nil
}
