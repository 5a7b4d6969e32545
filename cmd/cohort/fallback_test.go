package main

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/plan"
)

// listed compares a fallback list with the delivery facts behind it: listed DIR FILE. With a third
// word, unread, every unread message is on the list.
func listed(ts *testscript.TestScript, _ bool, args []string) {
	plan, err := plan.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = plan.Close() }()
	facts, err := factsIn(ts.MkAbs(args[0]))
	ts.Check(err)
	want := "row,message_reference,reason,failure_code\n"
	for _, f := range facts {
		reason := ""
		switch {
		case f.Status == "failed" && f.Steps != "", f.Status == "rejected", f.Status == "unnotified":
			reason = f.Status
		case len(args) > 2 && f.Status != "read":
			reason = "unread"
		}
		if reason != "" {
			want += fmt.Sprintf("%d,%s,%s,%s\n", f.Row, plan.References.Message(f.Row), reason, f.Code)
		}
	}
	got := ts.ReadFile(args[1])
	if _, err := csv.NewReader(strings.NewReader(got)).ReadAll(); err != nil || got != want || strings.Count(got, "\n") < 2 {
		ts.Fatalf("%v\ngot\n%s\nwant\n%s", err, got, want)
	}
}
