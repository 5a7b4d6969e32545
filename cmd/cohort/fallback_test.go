package main

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/plan"
	"cohort/engine/report"
)

// listed compares a fallback list with the states behind it: listed DIR FILE. With a third word, unread,
// every unread message is on the list. All rows of the cohort are accepted.
func listed(ts *testscript.TestScript, _ bool, args []string) {
	plan, err := plan.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = plan.Close() }()
	states, err := statesIn(ts.MkAbs(args[0]))
	ts.Check(err)
	want := ""
	for _, each := range states {
		s, code := &each.State, ""
		switch {
		case s.Status == "failed" && !s.ForbidsMessages():
			if code = s.Code; code == "" {
				code = "failed"
			}
		case s.Status == "rejected", s.Status == "unnotified":
			code = s.Status
		case len(args) > 2 && s.Status != "read":
			code = "unread"
		}
		if code != "" {
			want += fmt.Sprintf("%d,cohort.csv,accepted,%s,%s,yes\n", each.Row, code, plan.References.Message(each.Row))
		}
	}
	rows, err := csv.NewReader(strings.NewReader(ts.ReadFile(args[1]))).ReadAll()
	ts.Check(err)
	got := ""
	for _, r := range rows[1:] {
		if r[2] == "" || r[5] == "" || r[8] == "" {
			ts.Fatalf("no line, no reason or no time: %v", r)
		}
		got += strings.Join([]string{r[0], r[1], r[3], r[4], r[6], r[7]}, ",") + "\n"
	}
	if strings.Join(rows[0], ",") != report.UnreachedHeader || got != want || want == "" {
		ts.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}
