package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The ids of a seed never change: a State keeps none of them.
func TestIDsOfASeed(t *testing.T) {
	l := New(Options{Seed: 7})
	at := time.Unix(1_900_000_000, 0)
	ids := l.IDs(&Request{Application: "app", Reference: "b1", AcceptedAt: at})
	for _, want := range []string{"4FdtwriefMKybkXncIJDESDt3M9", "4FdtwqnjFMLvQwwQlaxeOVNo8wz", "4Fdtwofxikq2nwzpi0LByNwvlqV"} {
		if got := ids.Next(); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	ids = l.IDs(&Request{Application: "app", Reference: "m1", Single: true, AcceptedAt: at})
	if got := ids.Next(); got != "4FdtwrRXHjCVxnCBPCWfwbJ2IfN" {
		t.Errorf("a single message: %s", got)
	}
}

// After the end of its State a ledger accepts nothing, and the reference stays claimed.
func TestNothingIsAcceptedAfterTheState(t *testing.T) {
	state, err := OpenState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	l := New(Options{State: state})
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	r := &Request{Application: "app", Reference: "b1", Messages: []Message{{Reference: "r1", NHSNumber: "9990548609"}}}
	claim, verdict, _ := l.Claim(r, time.Minute, nil)
	if verdict != Fresh {
		t.Fatalf("verdict %d", verdict)
	}
	if err := l.Accept(claim, r, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, verdict, wait := l.Claim(r, time.Minute, nil); verdict != StillProcessing || wait != time.Minute {
		t.Errorf("a replay: %d, %v", verdict, wait)
	}
	for a := range l.All() {
		t.Errorf("accepted %s", a.MessageReference)
	}
}
