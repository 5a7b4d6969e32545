package record

import (
	"time"

	"cohort/engine/journal"
	"cohort/engine/plan"
)

// AttemptRecord appends to dst what the progress log says of an attempt, for those who
// measure the log or test it without a run.
func AttemptRecord(dst []byte, form plan.FormID, n uint16, at time.Time, correlation [16]byte) (journal.Type, []byte) {
	e := Encoder{dst}
	(&Attempt{Form: form, N: n, At: at, Correlation: correlation}).Encode(&e)
	return KindAttempt, e.B
}

// AcceptedRecord appends to dst what the progress log says of an attempt that the service
// has accepted, with the ids of its messages; as AttemptRecord does.
func AcceptedRecord(dst []byte, form plan.FormID, n uint16, at time.Time, ids []string) (journal.Type, []byte) {
	e := Encoder{dst}
	(&Outcome{Form: form, N: n, At: at, Result: ResultAccepted, Status: 201, IDs: ids}).Encode(&e)
	return KindOutcome, e.B
}
