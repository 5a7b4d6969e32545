package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// outcomeValues are the column values that many records with one outcome share.
type outcomeValues struct {
	fate    int  // index into person.Fates
	planned bool // it was to be sent, so it has a message reference

	outcome, code, reason, batch, attempts, first, accepted, template parquet.Value
}

// newOutcomeValues makes the values of a record: from its outcome if it was to be sent, and
// otherwise, with o nil, from its verdict.
func newOutcomeValues(v person.Verdict, o *outcome.Message, template string) (*outcomeValues, error) {
	s := &outcomeValues{planned: o != nil}
	if o == nil {
		o, template = &outcome.Message{Fate: v.Fate, Code: v.Code, Reason: v.Reason}, ""
	}
	if s.fate = slices.Index(person.Fates, o.Fate); s.fate < 0 {
		return nil, fmt.Errorf("%q is not a fate; this is a defect of cohort", o.Fate)
	}
	s.outcome = parquet.ByteArrayValue([]byte(o.Fate))
	s.attempts = parquet.Int32Value(int32(o.Attempts))
	s.code = optionalText([]byte(o.Code), columnReasonCode)
	s.reason = optionalText([]byte(o.Reason), columnReason)
	s.batch = optionalText([]byte(o.BatchReference), columnBatchReference)
	s.template = optionalText([]byte(template), columnTemplateVersion)
	s.first = optionalTime(o.FirstAttempt, columnFirstAttemptAt)
	s.accepted = optionalTime(o.AcceptedAt, columnAcceptedAt)
	return s, nil
}

// present marks the value of an optional column as not null, by its definition level.
func present(v parquet.Value, column int) parquet.Value { return v.Level(0, 1, column) }

func null(column int) parquet.Value { return parquet.NullValue().Level(0, 0, column) }

// optionalText is null for an empty text. The text must not change while the value is used.
func optionalText(text []byte, column int) parquet.Value {
	if len(text) == 0 {
		return null(column)
	}
	return present(parquet.ByteArrayValue(text), column)
}

func optionalTime(t time.Time, column int) parquet.Value {
	if t.IsZero() {
		return null(column)
	}
	return present(parquet.Int64Value(t.UnixMilli()), column)
}
