package inspect

import (
	"fmt"
	"strings"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// Entry is one record of the progress log, for people and programs. It holds no personal data: people are positions
// in their shard. Fields that the kind of record does not have are absent.
type Entry struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Record  string    `json:"record"`
	Segment uint64    `json:"segment"`
	Offset  int64     `json:"offset"`

	Batch          *uint32 `json:"batch,omitempty"` // in the plan, from 0
	Revision       *uint16 `json:"revision,omitempty"`
	Part           *uint16 `json:"part,omitempty"`
	Shard          *uint32 `json:"shard,omitempty"`
	Route          string  `json:"route,omitempty"` // its name, where the campaign has routes
	BatchReference string  `json:"batch_reference,omitempty"`
	Attempt        uint16  `json:"attempt,omitempty"`
	CorrelationID  string  `json:"correlation_id,omitempty"`

	Result       string           `json:"result,omitempty"`
	Status       int              `json:"status,omitempty"`
	Code         string           `json:"code,omitempty"`
	RetryAfterMS int64            `json:"retry_after_ms,omitempty"`
	MessageIDs   []string         `json:"message_ids,omitempty"`
	NewRevision  uint16           `json:"new_revision,omitempty"`
	Parts        []EntryPart      `json:"parts,omitempty"`
	People       []EntryPerson    `json:"people,omitempty"` // refused, left out, or listed too late
	PID          uint64           `json:"pid,omitempty"`
	Host         string           `json:"host,omitempty"`
	Version      string           `json:"version,omitempty"`
	Key          string           `json:"key,omitempty"` // fingerprint of the API key
	Verb         string           `json:"verb,omitempty"`
	Detail       string           `json:"detail,omitempty"`
	Fates        map[string]int64 `json:"fates,omitempty"`
}

// EntryPart is one of the forms that a revision makes.
type EntryPart struct {
	From     uint32 `json:"from"` // positions of the shard
	To       uint32 `json:"to"`   // the first position behind it
	Messages uint32 `json:"messages"`
	Bytes    uint32 `json:"bytes"`
	Digest   string `json:"digest"` // see plan.Digest
}

// EntryPerson is a position of a shard, and the reason why the record names it.
type EntryPerson struct {
	Position uint32 `json:"position"`
	Code     string `json:"reason_code,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

var recordNames = map[journal.Type]string{
	record.KindRunOpened: "run_opened", record.KindAttempt: "attempt", record.KindOutcome: "outcome",
	record.KindInDoubt: "in_doubt", record.KindRevision: "revision", record.KindResolved: "resolved",
	record.KindControl: "control", record.KindRunClosed: "run_closed", record.KindListedLate: "listed_late",
	record.KindRecovered: "recovered",
}

var resultNames = map[record.Result]string{
	record.ResultAccepted: "accepted", record.ResultAcceptedUnknown: "accepted_ids_unknown", record.ResultNotAccepted: "not_accepted",
	record.ResultHeld: "held", record.ResultForeign: "foreign", record.ResultReplay: "replay", record.ResultResend: "resend",
}

// ReadEntry decodes a record of a run's progress log. It reads the plan for the batch's reference.
func ReadEntry(plan *plan.Plan, r journal.Record) (Entry, error) {
	rec, err := record.Decode(r.Type, r.Payload)
	e := Entry{Seq: r.Seq, Record: recordNames[r.Type], Segment: r.At.Segment, Offset: r.At.Offset}
	if err == nil {
		err = e.fill(plan, rec)
	}
	if err != nil {
		return e, fmt.Errorf("record %d of the progress log: %w", r.Seq, err)
	}
	e.At = e.At.UTC()
	return e, nil
}

func (e *Entry) fill(plan *plan.Plan, rec record.Record) error {
	switch r := rec.(type) {
	case *record.RunOpened:
		e.At, e.PID, e.Host, e.Version, e.Key = r.At, r.PID, r.Host, r.Version, r.Key
	case *record.Attempt:
		c := r.Correlation
		e.At, e.Attempt, e.CorrelationID = r.At, r.N, fmt.Sprintf("%x-%x-%x-%x-%x", c[:4], c[4:6], c[6:8], c[8:10], c[10:])
		return e.form(plan, r.Form)
	case *record.Outcome:
		var err error
		e.At, e.Attempt, e.Result, e.Status, e.Code = r.At, r.N, resultNames[r.Result], r.Status, r.Code
		e.RetryAfterMS = r.RetryAfter.Milliseconds()
		if e.MessageIDs, err = r.MessageIDs(); err != nil {
			return err
		}
		return e.form(plan, r.Form)
	case *record.InDoubt:
		e.At, e.Attempt, e.Status, e.Code, e.RetryAfterMS = r.At, r.N, r.Status, r.Code, r.RetryAfter.Milliseconds()
		return e.form(plan, r.Form)
	case *record.Revision:
		e.At, e.Attempt, e.Status, e.Code, e.NewRevision = r.At, r.N, r.Status, r.Code, r.Number
		e.people(r.Refused)
		for _, p := range r.Parts {
			e.Parts = append(e.Parts, EntryPart{p.From, p.To, p.Messages, p.Bytes, fmt.Sprintf("%x", p.Digest)})
		}
		return e.form(plan, r.Form)
	case *record.ListedLate:
		e.At = r.At
		e.people(r.People)
		_, err := e.planned(plan, r.Batch)
		return err
	case *record.Resolved:
		e.At, e.Result, e.Detail, e.MessageIDs = r.At, resultNames[r.Result], r.Reason, r.IDs
		return e.form(plan, r.Form)
	case *record.Recovered:
		e.At, e.Key, e.Verb = r.At, r.Key, "replay"
		e.Detail = fmt.Sprintf("%d requests were known of; %d revisions follow", r.Attempts, r.Revisions)
		if r.Hold != "" {
			e.Verb = "hold: " + r.Hold
		}
		if r.Aside != "" {
			e.Detail += "; the log before this one is in " + r.Aside
		}
	case *record.Control:
		e.At, e.Verb, e.Detail = r.At, r.Verb, r.Detail
	case *record.RunClosed:
		e.At, e.Fates = r.At, map[string]int64{}
		for fate, n := range ledger.ClosedAccount(r).Fates {
			e.Fates[string(fate)] = n
		}
	}
	return nil
}

func (e *Entry) people(rows []record.RefusedRow) {
	for _, p := range rows {
		e.People = append(e.People, EntryPerson(p))
	}
}

func (e *Entry) form(plan *plan.Plan, id plan.FormID) error {
	planned, err := e.planned(plan, id.Batch)
	e.Revision, e.Part = &id.Revision, &id.Part
	e.BatchReference = plan.References.Batch(planned.Lane, planned.Ordinal, id.Revision, id.Part).String()
	return err
}

func (e *Entry) planned(p *plan.Plan, number uint32) (plan.Batch, error) {
	if int64(number) >= int64(p.Batches()) {
		return plan.Batch{}, fmt.Errorf("%w: the plan has no batch %d", ledger.ErrIllegal, number)
	}
	planned, err := p.Batch(number)
	shard := uint32(planned.Lane)
	if n := len(p.Routes); n > 0 {
		e.Route, shard = p.Routes[p.RouteOf(planned.Lane)].Name, shard/uint32(n)
	}
	e.Batch, e.Shard = &number, &shard
	return planned, err
}

func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s", e.Seq, e.At.Format("2006-01-02T15:04:05.000Z"), e.Record)
	add := func(when bool, format string, args ...any) {
		if when {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	add(e.Batch != nil && e.Revision == nil, "batch %d", deref(e.Batch))
	add(e.Revision != nil, "batch %d.%d.%d", deref(e.Batch), deref(e.Revision), deref(e.Part))
	add(e.Route != "", "route %s", e.Route)
	add(e.BatchReference != "", "%s", e.BatchReference)
	add(e.Attempt > 0, "attempt %d", e.Attempt)
	add(e.Result != "", "%s", e.Result)
	add(e.Status > 0, "status %d", e.Status)
	add(e.Code != "", "%s", e.Code)
	add(e.RetryAfterMS > 0, "retry after %v", time.Duration(e.RetryAfterMS)*time.Millisecond)
	add(len(e.MessageIDs) > 0, "%d ids", len(e.MessageIDs))
	add(e.NewRevision > 0, "revision %d of %d parts", e.NewRevision, len(e.Parts))
	add(len(e.People) > 0, "%d people", len(e.People))
	add(e.PID > 0, "process %d on %s, version %s", e.PID, e.Host, e.Version)
	add(e.Verb != "", "%s", e.Verb)
	add(e.Detail != "", "%q", e.Detail)
	for _, fate := range person.Fates {
		add(e.Fates[string(fate)] > 0, "%s %d", fate, e.Fates[string(fate)])
	}
	return b.String()
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
