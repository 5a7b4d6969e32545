package report

import "time"

// row is one row of the report, as the schema is made of it. What is not known is null, so
// whatever may be unknown is optional. No value of this type is ever written: given rows,
// the Parquet library wrote wrong nulls without an error where optional fields were plain
// values (parquet-go v0.32.0, GenericWriter), and took longer than anything else where they
// were pointers. The columns are written by themselves, in columns.go.
//
// A dictionary where values repeat. Texts that never do have their lengths apart: then
// nothing lies between them that looks like a repetition to the compressor, and it does
// what alone helps, which is coding the digits.
type row struct {
	Row                  int64      `parquet:"row,delta"`
	File                 string     `parquet:"file,dict"`
	Line                 int64      `parquet:"line,delta"`
	NHSNumber            *string    `parquet:"nhs_number,optional"`
	Outcome              string     `parquet:"outcome,dict"`
	ReasonCode           *string    `parquet:"reason_code,optional,dict"`
	Reason               *string    `parquet:"reason,optional,dict"`
	Shard                *int32     `parquet:"shard,optional,dict"`
	BatchReference       *string    `parquet:"batch_reference,optional,dict"`
	MessageReference     *string    `parquet:"message_reference,optional"`
	MessageID            *string    `parquet:"message_id,optional"`
	FileMessageReference *string    `parquet:"file_message_reference,optional,dict"`
	Attempts             int32      `parquet:"attempts,dict"`
	FirstAttemptAt       *time.Time `parquet:"first_attempt_at,optional,timestamp(millisecond),dict"`
	AcceptedAt           *time.Time `parquet:"accepted_at,optional,timestamp(millisecond),dict"`
	TemplateVersion      *string    `parquet:"template_version,optional,dict"`
}

// The columns, in the order of row.
const (
	columnRow = iota
	columnFile
	columnLine
	columnNHSNumber
	columnOutcome
	columnReasonCode
	columnReason
	columnShard
	columnBatchReference
	columnMessageReference
	columnMessageID
	columnFileMessageReference
	columnAttempts
	columnFirstAttemptAt
	columnAcceptedAt
	columnTemplateVersion
)
