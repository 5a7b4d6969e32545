package report

import (
	"time"

	"cohort/engine"
	"cohort/ingest/person"
)

// row is one row of the report. What is not known is null, so whatever may be unknown
// is a pointer: for plain values the Parquet library writes wrong nulls without an
// error (parquet-go v0.32.0, optional fields through GenericWriter).
type row struct {
	Row                  int64      `parquet:"row,delta"`
	File                 string     `parquet:"file,dict"`
	Line                 int64      `parquet:"line,delta"`
	NHSNumber            *string    `parquet:"nhs_number,optional"`
	Outcome              string     `parquet:"outcome,dict"`
	ReasonCode           *string    `parquet:"reason_code,optional,dict"`
	Reason               *string    `parquet:"reason,optional,dict"`
	Shard                *int32     `parquet:"shard,optional"`
	BatchReference       *string    `parquet:"batch_reference,optional,dict"`
	MessageReference     *string    `parquet:"message_reference,optional"`
	MessageID            *string    `parquet:"message_id,optional"`
	FileMessageReference *string    `parquet:"file_message_reference,optional,dict"`
	Attempts             int32      `parquet:"attempts"`
	FirstAttemptAt       *time.Time `parquet:"first_attempt_at,optional,timestamp(millisecond)"`
	AcceptedAt           *time.Time `parquet:"accepted_at,optional,timestamp(millisecond)"`
	TemplateVersion      *string    `parquet:"template_version,optional,dict"`
}

// fill makes the row of one record. o is nil for a record that was never to be sent.
func (r *row) fill(record *person.Record, file string, template *string, o *engine.MessageOutcome) {
	*r = row{Row: record.Row, File: file, Line: record.Line, FileMessageReference: known(record.Reference), NHSNumber: known(record.Number), Outcome: string(record.Fate), ReasonCode: known(record.Code), Reason: known(record.Reason)}
	if record.Shard >= 0 {
		shard := int32(record.Shard)
		r.Shard = &shard
	}
	if o == nil {
		return
	}
	r.Outcome, r.ReasonCode, r.Reason = string(o.Fate), known(o.Code), known(o.Reason)
	r.BatchReference, r.MessageReference, r.MessageID = known(o.BatchReference), known(o.MessageReference), known(o.MessageID)
	r.Attempts = int32(o.Attempts)
	r.FirstAttemptAt, r.AcceptedAt = instant(o.FirstAttempt), instant(o.AcceptedAt)
	r.TemplateVersion = template
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
