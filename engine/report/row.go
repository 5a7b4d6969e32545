package report

import "time"

// row is the schema of the report. Unknown values are null, so their columns are optional.
//
// Nothing writes a row: columns.go writes column by column. The row writer of parquet-go
// v0.32.0 writes wrong nulls for optional fields of plain types, and is slow with pointers.
//
// Columns with repeated values have a dictionary. Unique texts have none: the library stores
// their lengths apart from the texts, and the compressor then codes the digits well.
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
