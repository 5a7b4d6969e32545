package engine

import (
	"strings"
	"testing"
)

var aRun = NewRunID("a-campaign", [32]byte{1}, "notify simulator")

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks that an error says words, or that there is none when words is empty.
func wantError(t testing.TB, sentence string, err error, words string) {
	t.Helper()
	if (err != nil) != (words != "") || err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("%s: error %v, want %q", sentence, err, words)
	}
}
