package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
)

// contradictions has the service report about a message that it does not have by the report in a run's folder: reports DIR
// FATE FILE [far]. It takes the first row of a fate that is not contradicted yet, or the last, and adds the NHS number
// to a file.
func contradictions(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	planned, err := plan.Open(dir)
	ts.Check(err)
	defer func() { _ = planned.Close() }()
	known, err := facts.Of(dir, planned).Heard()
	ts.Check(err)
	rows, err := parquet.ReadFile[reportRow](filepath.Join(dir, runfolder.ReportFile))
	ts.Check(err)
	if len(args) == 4 {
		slices.Reverse(rows)
	}
	for _, r := range rows {
		if r.Outcome != args[1] || known.Of(r.Row) {
			continue
		}
		shared, err := inbox.Open(filepath.Join(filepath.Dir(dir), facts.SharedFolder), "callbacks")
		ts.Check(err)
		ts.Check(shared.Put(context.Background(), []delivery.Event{{
			Source: delivery.Callback, Kind: delivery.OfMessage, Reference: planned.References.Message(r.Row).String(),
			MessageID: "of-elsewhere", Status: "delivered", At: time.Now(), Received: time.Now(),
		}}))
		ts.Check(shared.Close())
		f, err := os.OpenFile(ts.MkAbs(args[2]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		ts.Check(err)
		_, err = f.WriteString(deref(r.NHSNumber) + "\n")
		ts.Check(err)
		ts.Check(f.Close())
		return
	}
	ts.Fatalf("no row is %s", args[1])
}

// contradicted makes sure that the report in a run's folder calls N messages contradicted, one with each fate that
// follows: contradicted DIR FATE...
func contradicted(ts *testscript.TestScript, _ bool, args []string) {
	rows, err := parquet.ReadFile[reportRow](filepath.Join(ts.MkAbs(args[0]), runfolder.ReportFile))
	ts.Check(err)
	n := map[string]int{}
	for _, r := range rows {
		if deref(r.ReasonCode) == "contradicted" {
			n[r.Outcome]++
		}
	}
	for _, fate := range args[1:] {
		if n[fate]--; n[fate] < 0 {
			ts.Fatalf("too few messages are %s and contradicted", fate)
		}
	}
	for fate, more := range n {
		if more > 0 {
			ts.Fatalf("%d more messages are %s and contradicted", more, fate)
		}
	}
}
