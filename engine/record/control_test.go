package record

import "testing"

func TestPrintable(t *testing.T) {
	for typed, want := range map[string]string{
		"the helpline is full – wait": "the helpline is full – wait",
		"a\x1b[2J\nb\tc\u009bd":       "a [2J b c d",
		"turned \u202eround":          "turned  round",
	} {
		if got := (CommandDetail{By: "ann", Reason: typed}).Words(); got != "by ann: "+want {
			t.Errorf("%q is shown as %q", typed, got)
		}
	}
}
