package engine

import (
	"time"

	"cohort/engine/journal"
)

// AttemptRecord appends to dst what the progress log says of an attempt, for those who
// measure the log or test it without a run.
func AttemptRecord(dst []byte, form FormID, n uint16, at time.Time, correlation [16]byte) (journal.Type, []byte) {
	e := encoder{dst}
	(&attempt{Form: form, N: n, At: at, Correlation: correlation}).encode(&e)
	return recordAttempt, e.b
}

// AcceptedRecord appends to dst what the progress log says of an attempt that the service
// has accepted, with the ids of its messages; as AttemptRecord does.
func AcceptedRecord(dst []byte, form FormID, n uint16, at time.Time, ids []string) (journal.Type, []byte) {
	e := encoder{dst}
	(&outcome{Form: form, N: n, At: at, Result: ResultAccepted, Status: 201, IDs: ids}).encode(&e)
	return recordOutcome, e.b
}
