package report

import "time"

// row is the schema of the report. Unknown values are null, so their columns are optional. group.columns writes it.
type row struct {
	Row                  int64      `parquet:"row"`
	File                 string     `parquet:"file"`
	Line                 int64      `parquet:"line"`
	NHSNumber            *string    `parquet:"nhs_number,optional"`
	Outcome              string     `parquet:"outcome"`
	ReasonCode           *string    `parquet:"reason_code,optional"`
	Reason               *string    `parquet:"reason,optional"`
	Shard                *int32     `parquet:"shard,optional"`
	BatchReference       *string    `parquet:"batch_reference,optional"`
	MessageReference     *string    `parquet:"message_reference,optional"`
	MessageID            *string    `parquet:"message_id,optional"`
	FileMessageReference *string    `parquet:"file_message_reference,optional"`
	Attempts             int32      `parquet:"attempts"`
	FirstAttemptAt       *time.Time `parquet:"first_attempt_at,optional,timestamp(millisecond)"`
	AcceptedAt           *time.Time `parquet:"accepted_at,optional,timestamp(millisecond)"`
	TemplateVersion      *string    `parquet:"template_version,optional"`
	DeliveryStatus       *string    `parquet:"delivery_status,optional"`
	DeliveredChannel     *string    `parquet:"delivered_channel,optional"`
	DeliveredAt          *time.Time `parquet:"delivered_at,optional,timestamp(millisecond)"`
	ReadAt               *time.Time `parquet:"read_at,optional,timestamp(millisecond)"`
	FailureCode          *string    `parquet:"failure_code,optional"`
	FailureReason        *string    `parquet:"failure_reason,optional"`
	LastEventAt          *time.Time `parquet:"last_event_at,optional,timestamp(millisecond)"`
	RoutingPlanVersion   *string    `parquet:"routing_plan_version,optional"`
}
