package find

import (
	"strings"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/inspect"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// A record of the log is about a message only if its form holds the message, and names it or everybody.
func TestHistoryOfTheLog(t *testing.T) {
	const mine, other = 7, 8
	held := map[plan.FormID]bool{{Batch: 3}: true, {Batch: 3, Revision: 2}: true}
	of := func(record string, revision uint16, change func(*inspect.Entry)) inspect.Entry {
		batch, part := uint32(3), uint16(0)
		e := inspect.Entry{Record: record, Batch: &batch, Revision: &revision, Part: &part, Attempt: 1}
		change(&e)
		return e
	}
	people := func(position uint32, code string) []inspect.EntryPerson {
		return []inspect.EntryPerson{{Position: position, Code: code}}
	}
	same := func(*inspect.Entry) {}
	late := func(position uint32) inspect.Entry {
		e := of("listed_late", 0, func(e *inspect.Entry) { e.People = people(position, "deceased") })
		e.Revision, e.Part, e.Attempt = nil, nil, 0
		return e
	}
	for _, c := range []struct {
		e    inspect.Entry
		want string
	}{
		{of("attempt", 0, func(e *inspect.Entry) { e.BatchReference = "abc" }), "attempt 1: the message is sent, in request abc"},
		{of("attempt", 1, same), ""}, // a form without the message
		{of("in_doubt", 2, func(e *inspect.Entry) { e.Status = 504 }), "attempt 1: no clear answer, so it may have been accepted (HTTP 504)"},
		{of("outcome", 0, func(e *inspect.Entry) { e.Result, e.Status, e.Code = "not_accepted", 429, "CM_QUOTA" }), "attempt 1: certainly not accepted (HTTP 429) (CM_QUOTA)"},
		{of("outcome", 0, func(e *inspect.Entry) { e.Result = "accepted" }), "attempt 1: the message is accepted"},
		{of("resolved", 0, func(e *inspect.Entry) { e.Result, e.Detail = "resend", "by ann" }), "decided: the message is to be sent again, though it may have been accepted: by ann"},
		{of("revision", 0, func(e *inspect.Entry) { e.People = people(mine, "CM_INVALID") }), "attempt 1: the message is refused (CM_INVALID)"},
		{of("revision", 0, func(e *inspect.Entry) { e.People, e.Parts = people(other, "CM_INVALID"), make([]inspect.EntryPart, 1) }), "the message goes on in another request"},
		{of("revision", 0, func(e *inspect.Entry) { e.People, e.Attempt = people(mine, "deceased"), 0 }), "the message is left out (deceased)"},
		{of("revision", 2, func(e *inspect.Entry) { e.Code, e.Attempt, e.Parts = "retried", 0, make([]inspect.EntryPart, 1) }), "decided: the refused message is to be sent again"},
		{late(mine), "after the message was attempted, a list names the person (deceased)"},
		{late(other), ""},
	} {
		if h, ok := happenedIn(&c.e, held, mine); h.What != c.want || ok != (c.want != "") {
			t.Errorf("%+v\ngot  %q, %v\nwant %q", c.e, h.What, ok, c.want)
		}
	}
	for name := range results {
		e := of("outcome", 0, func(e *inspect.Entry) { e.Result = name })
		if h, _ := happenedIn(&e, held, mine); strings.HasSuffix(h.What, ": ") {
			t.Errorf("%s has no words", name)
		}
	}
}

func TestHistoryOfEvents(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		e    delivery.Event
		want string
	}{
		{delivery.Event{Kind: delivery.OfMessage, Status: "sending"}, "the message is on its way"},
		{delivery.Event{Kind: delivery.OfMessage, Status: "on_hold"}, "the message has the status on_hold"},
		{delivery.Event{Kind: delivery.OfChannel, Channel: "sms", Status: "failed", Supplier: "permanent_failure", Code: "CFR_1", Reason: "no such number"}, "the text message cannot be delivered (CFR_1): no such number"},
		{delivery.Event{Kind: delivery.OfChannel, Channel: "fax", Status: "delivered"}, "the message by fax is delivered"},
		{delivery.Event{Kind: delivery.OfResponse, Answer: "YES"}, "the person answered: YES"},
		{delivery.Event{Kind: "a newer kind", Raw: []byte("secret")}, "the service said something that this version of cohort does not understand"},
	} {
		c.e.Received = at
		if h := happenedTo(&c.e); h.What != c.want || !h.At.Equal(at) {
			t.Errorf("got %q at %v, want %q", h.What, h.At, c.want)
		}
	}
}

func TestReasons(t *testing.T) {
	for reason, want := range map[string]string{
		"call 4711": "", "call 020 7946 12": "", "for 9990000018": "find_reason_with_number", "(999 000-0018)": "find_reason_with_number",
		"x9990000018y": "find_reason_with_number", "call 9990.000/018": "find_reason_with_number", "\t": "find_reason_missing", strings.Repeat("x", 1001): "reason_too_long",
	} {
		if err := CheckReason(reason); refusal.Code(err) != want || err != nil && strings.Contains(err.Error(), "0018") {
			t.Errorf("%q: %v", reason, err)
		}
	}
}

// What a service or a cohort says cannot steer the terminal.
func TestTextsCannotSteerTheTerminal(t *testing.T) {
	if got := clean("a\x1b[2J\u202eb\nc"); strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, "b\nc") {
		t.Errorf("%q", got)
	}
}
