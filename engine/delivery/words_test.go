package delivery

import (
	"strings"
	"testing"
)

func TestWordsForAFailure(t *testing.T) {
	for _, test := range []struct{ code, reason, want string }{
		{"MFR_PDSV_0112", "Patient is formally dead", "the person's record says that the person has died"},
		{"CFR_SUPE_0007", "", "the supplier of the channel could not deliver the message"},
		{"PDSV_0004", "x", "the channel knows nobody with the NHS number"},
		{"CFR_NEW_1", "no\n reachable  channel", "no reachable channel"},
		{"", "call 07700 900123", ""},
		{"", "ann@example.org has moved", ""},
		{"", strings.Repeat("long ", 50), ""},
		{"", "", ""},
	} {
		if got := WordsFor(test.code, test.reason); got != test.want {
			t.Errorf("%s, %s: %q, want %q", test.code, test.reason, got, test.want)
		}
	}
}

func TestWhenNoMessageMayFollow(t *testing.T) {
	dead := failure(channel("nhsapp primary 1", "failed", "", 9), "CFR_PDSV_0112", "")
	later := failure(channel("nhsapp primary 1", "failed", "", 10), "CFR_SUPE_0007", "")
	sms := channel("sms primary 2", "failed", "", 9)
	failed := message(Callback, "failed", 11)
	for _, test := range []struct {
		sentence string
		events   []Event
		code     string
		forbids  bool
	}{
		{"the person has died", []Event{failure(failed, "MFR_PDSV_0112", ""), sms}, "MFR_PDSV_0112", true},
		{"a channel says that the person has died", []Event{dead, sms, failed}, "CFR_PDSV_0112", true},
		{"a later code hides it in the state", []Event{dead, later, sms, failed}, "CFR_PDSV_0112", true},
		{"a later code of the message hides it", []Event{failure(message(Callback, "failed", 9), "MFR_PDSV_0111", ""), failure(failed, "MFR_SUPE_0007", ""), sms}, "MFR_PDSV_0111", true},
		{"it did not fail", []Event{dead, message(Callback, "sending", 11)}, "CFR_PDSV_0112", true},
		{"a code that nobody knows, in an event that nobody knows", []Event{{Kind: OfUnknown, Code: "PDSV_0999"}, sms, failed}, "PDSV_0999", true},
		{"the greatest of two", []Event{failure(failed, "MFR_PDSV_0006", ""), dead}, "CFR_PDSV_0112", true},
		{"codes of channels", []Event{failure(failed, "MFR_PDSV_0002", ""), later, sms}, "", false},
		{"no channel was tried", []Event{failed}, "", true},
	} {
		if s := fold(test.events...); s.Forbidden != test.code || s.ForbidsMessages() != test.forbids {
			t.Errorf("%s: %q, %v", test.sentence, s.Forbidden, s.ForbidsMessages())
		}
	}
}
