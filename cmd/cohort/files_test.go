package main

import (
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"
)

// noIDs checks that a report has every person as accepted, with a time and without an id: noids
// REPORT.
func noIDs(ts *testscript.TestScript, _ bool, args []string) {
	type row struct {
		Row              int64      `parquet:"row"`
		Outcome          string     `parquet:"outcome"`
		MessageReference *string    `parquet:"message_reference,optional"`
		MessageID        *string    `parquet:"message_id,optional"`
		AcceptedAt       *time.Time `parquet:"accepted_at,optional,timestamp(millisecond)"`
	}
	rows, err := parquet.ReadFile[row](ts.MkAbs(args[0]))
	ts.Check(err)
	for _, r := range rows {
		if r.Outcome != "accepted" || r.MessageID != nil || r.AcceptedAt == nil || r.MessageReference == nil {
			ts.Fatalf("row %d is %s, with an id: %v, at a moment: %v", r.Row, r.Outcome, r.MessageID != nil, r.AcceptedAt != nil)
		}
	}
	if len(rows) == 0 {
		ts.Fatalf("there is nobody in the report")
	}
}
