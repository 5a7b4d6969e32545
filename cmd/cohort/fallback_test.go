package main

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/ingest/person"
)

func TestWhoIsReachedInAnotherWay(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	receipt := func(status string) *report.Fact { return &report.Fact{Status: status, Origin: report.OfReceipt} }
	status := func(status string) *report.Fact { return &report.Fact{Status: status, Origin: report.OfStatus} }
	for _, row := range []struct {
		sentence string
		app      bool
		fate     person.Fate
		age      time.Duration
		fact     *report.Fact
		want     string
	}{
		{"it failed", false, person.Accepted, time.Hour, status("failed"), "failed"},
		{"it was delivered", false, person.Accepted, 90 * time.Hour, status("delivered"), ""},
		{"it is on its way", false, person.Accepted, 90 * time.Hour, status("sending"), ""},
		{"an upload's failed", false, person.Accepted, time.Hour, &report.Fact{Status: "failed", Origin: report.OfDaily}, "failed"},
		{"an upload's has not come to its end", false, person.Accepted, 90 * time.Hour, &report.Fact{Status: "open", Origin: report.OfDaily}, ""},
		{"nothing is known of it", false, person.Accepted, 90 * time.Hour, nil, ""},
		{"the NHS App has nobody of that number", true, person.Accepted, time.Second, receipt("rejected"), "rejected"},
		{"the push did not get through", true, person.Accepted, time.Second, receipt("unnotified"), "unnotified"},
		{"it got through, and is not read yet", true, person.Accepted, 23 * time.Hour, receipt("notified"), ""},
		{"it got through, and was not read in time", true, person.Accepted, 24 * time.Hour, receipt("notified"), "unread"},
		{"it was read", true, person.Accepted, 90 * time.Hour, receipt("read"), ""},
		{"the NHS App says nothing yet", true, person.Accepted, 23 * time.Hour, nil, ""},
		{"the NHS App has said nothing in time", true, person.Accepted, 24 * time.Hour, nil, "unread"},
		{"it is in doubt", true, person.InDoubt, 90 * time.Hour, nil, ""},
		{"it was refused", true, person.Refused, 90 * time.Hour, nil, ""},
		{"it was never sent", false, person.NotSent, 90 * time.Hour, status("failed"), ""},
	} {
		rule := fallbackRule{app: row.app, unread: 24 * time.Hour, now: now}
		if got := rule.reason(sentMessage{row: 1, fate: row.fate, accepted: now.Add(-row.age)}, row.fact); got != row.want {
			t.Errorf("%s: %q, not %q", row.sentence, got, row.want)
		}
	}
	if got := (fallbackRule{app: true, now: now}).reason(sentMessage{fate: person.Accepted}, nil); got != "" {
		t.Errorf("nobody knows when it was accepted: %q", got)
	}
}

// Nobody is written to in another way whom a list has named since, or whose record forbids it.
func TestWhoIsLeftOutOfTheFallback(t *testing.T) {
	sum := &fallbackSummary{Messages: map[string]int64{}}
	failed := func(steps string, late bool) knownMessage {
		return knownMessage{sentMessage{row: 1, fate: person.Accepted, late: late}, &report.Fact{Status: report.Failed, Steps: steps, Origin: report.OfStatus}}
	}
	for _, row := range []struct {
		m    knownMessage
		want string
	}{{failed("sms failed", false), "failed"}, {failed("", false), ""}, {failed("sms failed", true), ""}, {failed("", true), ""}, {failed("email failed", false), "failed"}, {knownMessage{sentMessage{row: 2, fate: person.InDoubt}, nil}, ""}} {
		if got := sum.take(fallbackRule{}, row.m); got != row.want {
			t.Errorf("%+v: %q, not %q", row.m, got, row.want)
		}
	}
	if sum.Messages["failed"] != 2 || sum.Record != 1 || sum.Listed != 2 || sum.InDoubt != 1 {
		t.Errorf("%+v", sum)
	}
	var out strings.Builder
	sum.print(&out)
	for _, want := range []string{": 2 failed\n", "left out: 1 that failed before any channel", "left out: 2 whom a suppression list", "left out: 1 in doubt, who may have been reached"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}

// listed holds a fallback list against the facts of delivery that it was made from: listed DIR
// FILE. With a third word, unread, everything that was not read is on it.
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
			want += fmt.Sprintf("%d,%s,%s,%s\n", f.Row, plan.Run.MessageReference(f.Row), reason, f.Code)
		}
	}
	got := ts.ReadFile(args[1])
	if _, err := csv.NewReader(strings.NewReader(got)).ReadAll(); err != nil || got != want || strings.Count(got, "\n") < 2 {
		ts.Fatalf("%v\ngot\n%s\nwant\n%s", err, got, want)
	}
}
