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
