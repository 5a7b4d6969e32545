package report

import (
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/ingest/person"
)

func TestWhoWasNotReachedAndWhoMayBeWrittenTo(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	receipt := func(status string) *delivery.State {
		return &delivery.State{Status: status, Source: delivery.Receipt, Read: status == "read", Delivered: status == "read" || status == "delivered"}
	}
	said := func(status, code string, attempts ...delivery.Attempt) *delivery.State {
		return &delivery.State{Status: status, Code: code, Source: delivery.Callback, Delivered: status == "delivered", Attempts: attempts}
	}
	sms, waiting := delivery.Attempt{Channel: "sms", Status: "failed"}, delivery.Attempt{Channel: "letter", Status: "created"}
	forbidden := func(s *delivery.State) *delivery.State { s.Forbidden = "CFR_PDSV_0111"; return s }
	message := func(fate person.Fate, code string) outcome.Message {
		return outcome.Message{Fate: fate, Code: code, Reason: "words"}
	}
	taken := func(age time.Duration) outcome.Message {
		return outcome.Message{Fate: person.Accepted, AcceptedAt: now.Add(-age)}
	}
	listed := taken(90 * time.Hour)
	listed.Code = ledger.CodeListedTooLate
	unsure := message(person.Refused, "X")
	unsure.Unsure = true
	for _, test := range []struct {
		sentence string
		app      bool
		m        outcome.Message
		s        *delivery.State
		code     string // empty: it was reached, or may still be
		may      bool
	}{
		{"it was refused", false, message(person.Refused, "TOO_LONG"), nil, "TOO_LONG", true},
		{"it was refused, and may have been accepted before", false, unsure, nil, "X", false},
		{"it was refused, and a list came too late", false, message(person.Refused, ledger.CodeListedTooLate), nil, ledger.CodeListedTooLate, false},
		{"it was refused, and the service delivers it", false, message(person.Refused, "TOO_LONG"), said("delivered", ""), "contradicted", false},
		{"the log says that it contradicts itself", false, message(person.Refused, "contradicted"), nil, "contradicted", false},
		{"it is invalid", false, message(person.Invalid, "bad_number"), nil, "bad_number", false},
		{"it is a duplicate", false, message(person.Duplicate, "duplicate"), nil, "duplicate", false},
		{"it is suppressed", false, message(person.Suppressed, "deceased"), nil, "deceased", false},
		{"it is suppressed, and the service reports on it", false, message(person.Suppressed, "deceased"), said("sending", ""), "contradicted", false},
		{"it is in doubt", true, message(person.InDoubt, "timeout"), nil, "timeout", false},
		{"it is in doubt, and receipts name it", true, message(person.InDoubt, "timeout"), receipt("delivered"), "timeout", false},
		{"it is not sent", false, message(person.NotSent, "wait"), nil, "wait", false},
		{"it is not sent, and the service reports on it", false, message(person.NotSent, ""), said("sending", ""), "contradicted", false},

		{"nothing is known", false, taken(90 * time.Hour), nil, "", false},
		{"it is on its way", false, taken(90 * time.Hour), said("sending", ""), "", false},
		{"it was delivered", false, taken(90 * time.Hour), said("delivered", ""), "", false},
		{"a channel delivered it", false, taken(90 * time.Hour), &delivery.State{Status: "failed", Delivered: true, Source: delivery.Callback}, "", false},
		{"a daily report leaves it open", false, taken(90 * time.Hour), &delivery.State{Status: delivery.Open, Source: delivery.DailyReport}, "", false},
		{"it failed", false, taken(time.Hour), said("failed", "", sms), "failed", true},
		{"it failed by a supplier", false, taken(time.Hour), said("failed", "MFR_SUPE_0007", sms), "MFR_SUPE_0007", true},
		{"no contact detail", false, taken(time.Hour), said("failed", "MFR_PDSV_0002"), "MFR_PDSV_0002", true},
		{"it failed before any channel", false, taken(time.Hour), said("failed", ""), "failed", false},
		{"no channel had its turn", false, taken(time.Hour), said("failed", "", waiting), "failed", false},
		{"an unknown code before any channel", false, taken(time.Hour), said("failed", "MFR_NEW_1"), "MFR_NEW_1", false},
		{"an unknown code after a channel", false, taken(time.Hour), said("failed", "MFR_NEW_1", sms), "MFR_NEW_1", true},
		{"it failed, and some code forbids messages", false, taken(time.Hour), forbidden(said("failed", "MFR_SUPE_0007", sms)), "CFR_PDSV_0111", false},
		{"it was delivered, and some code forbids messages", false, taken(time.Hour), forbidden(said("delivered", "")), "", false},
		{"it was not read, and some code forbids messages", true, taken(24 * time.Hour), forbidden(receipt("notified")), "CFR_PDSV_0111", false},
		{"it failed, a list came too late, and some code forbids messages", false, listed, forbidden(said("failed", "", sms)), ledger.CodeListedTooLate, false},
		{"it failed, and a list came too late", false, listed, said("failed", "MFR_SUPE_0007", sms), ledger.CodeListedTooLate, false},

		{"the NHS App has nobody with the number", true, taken(time.Second), receipt("rejected"), "rejected", true},
		{"the push did not get through", true, taken(time.Second), receipt("unnotified"), "unnotified", true},
		{"it is not read yet", true, taken(23 * time.Hour), receipt("notified"), "", false},
		{"it was not read in time", true, taken(25 * time.Hour), receipt("notified"), "unread", true},
		{"it is in the app, and was not read in time", true, taken(25 * time.Hour), receipt("delivered"), "unread", true},
		{"it was read", true, taken(90 * time.Hour), receipt("read"), "", false},
		{"it was read, and then rejected", true, taken(90 * time.Hour), &delivery.State{Status: "rejected", Source: delivery.Receipt, Read: true}, "", false},
		{"the NHS App says nothing yet", true, taken(23 * time.Hour), nil, "", false},
		{"the NHS App said nothing in time", true, taken(24 * time.Hour), nil, "unknown", false},
		{"the NHS App said nothing that is understood in time", true, taken(24 * time.Hour), &delivery.State{Unknown: 1}, "unknown", false},
		{"the receipts were asked for before the time was over", true, taken(25*time.Hour - 1), receipt("delivered"), "unknown", false},
		{"the receipts were asked for when the time was over", true, taken(25 * time.Hour), receipt("delivered"), "unread", true},
		{"nobody knows when it was accepted", true, outcome.Message{Fate: person.Accepted}, nil, "", false},
		{"it was not read, and a list came too late", true, listed, receipt("notified"), ledger.CodeListedTooLate, false},
	} {
		rule := &Unreached{App: test.app, Unread: 24 * time.Hour, Now: now, receipts: now.Add(-time.Hour)}
		got, is := rule.Of(&test.m, test.s)
		if is != (test.code != "") || got.Code != test.code || got.MayFollowUp != test.may || is && test.code != ledger.CodeListedTooLate && got.Reason == "" {
			t.Errorf("%s: %+v, %v; want %q, %v", test.sentence, got, is, test.code, test.may)
		}
		rule.successor = "a1b2"
		later, still := rule.Of(&test.m, test.s)
		if still != is || later.Code != got.Code || later.MayFollowUp || (later.Reason == "run a1b2 took this run's place: look at its list") != got.MayFollowUp {
			t.Errorf("%s, and another run took its place: %+v, %v", test.sentence, later, still)
		}
	}
}
