package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// story is what many rows have in common: their values of the columns that tell what
// became of them.
type story struct {
	fate    int  // index into person.Fates
	planned bool // it was to be sent, and so has a message reference

	outcome, code, reason, batch, attempts, first, accepted, template parquet.Value
}

// storyOf makes a story: of a record that was to be sent by its outcome, of any other by its
// verdict, with no outcome.
func storyOf(v person.Verdict, o *outcome.Message, template string) (*story, error) {
	s := &story{planned: o != nil}
	if o == nil {
		o, template = &outcome.Message{Fate: v.Fate, Code: v.Code, Reason: v.Reason}, ""
	}
	if s.fate = slices.Index(person.Fates, o.Fate); s.fate < 0 {
		return nil, fmt.Errorf("%q is no fate; this is a defect of cohort", o.Fate)
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

// The definition level says whether a value of an optional column is there.

func present(v parquet.Value, column int) parquet.Value { return v.Level(0, 1, column) }

func null(column int) parquet.Value { return parquet.NullValue().Level(0, 0, column) }

// optionalText is null for an empty text: what is not known is null. The text must not
// change for as long as the value is used.
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
