package delivery

import (
	"strings"
	"testing"
	"time"

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
		rule := FallbackRule{App: row.app, Unread: 24 * time.Hour, Now: now}
		if got := rule.reason(&Message{Row: 1, Fate: row.fate, Accepted: now.Add(-row.age), Fact: row.fact}); got != row.want {
			t.Errorf("%s: %q, not %q", row.sentence, got, row.want)
		}
	}
	if got := (FallbackRule{App: true, Now: now}).reason(&Message{Fate: person.Accepted}); got != "" {
		t.Errorf("nobody knows when it was accepted: %q", got)
	}
}

// Nobody is written to in another way whom a list has named since, or whose record forbids it.
func TestWhoIsLeftOutOfTheFallback(t *testing.T) {
	sum := &FallbackSummary{Messages: map[string]int64{}}
	failed := func(steps string, late bool) Message {
		return Message{Row: 1, Fate: person.Accepted, late: late, Fact: &report.Fact{Status: report.Failed, Steps: steps, Origin: report.OfStatus}}
	}
	for _, row := range []struct {
		m    Message
		want string
	}{{failed("sms failed", false), "failed"}, {failed("", false), ""}, {failed("sms failed", true), ""}, {failed("", true), ""}, {failed("email failed", false), "failed"}, {Message{Row: 2, Fate: person.InDoubt}, ""}} {
		if got := sum.Take(FallbackRule{}, &row.m); got != row.want {
			t.Errorf("%+v: %q, not %q", row.m, got, row.want)
		}
	}
	if sum.Messages["failed"] != 2 || sum.Record != 1 || sum.Listed != 2 || sum.InDoubt != 1 {
		t.Errorf("%+v", sum)
	}
	var out strings.Builder
	sum.print(&out)
	for _, want := range []string{": 2 failed\n", "left out: 1 that failed before any channel", "left out: 2 with people that a suppression list", "left out: 1 in doubt, with people who may have been reached"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}
