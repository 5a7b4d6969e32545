package engine

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cohort/ingest/person"
)

// What Asked finds of a record is what Cut would find, and whoever is sent nothing may have
// a message of any size: it is in no body.
func TestAskedIsWhatCutHoldsARecordAgainst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPeople(5, 1, nil)
		at := rapid.IntRange(0, 4).Draw(t, "at")
		long := &p.shards[0][at]
		long.Fields[0] = strings.Repeat("\x01", rapid.IntRange(0, 400).Draw(t, "length"))
		long.Suppressed = rapid.Bool().Draw(t, "suppressed")
		limits := Limits{Messages: rapid.IntRange(1, 5).Draw(t, "messages"), Bytes: 1000}
		room := Asked(encoding{}, limits, len(long.Fields))[0]
		fits := len(long.Fields[0]) < room.Least || room.Keeps(long.Fields)
		shards, err := Cut(t.Context(), testRun, p, encoding{}, limits)
		if fails := err != nil; fails == (fits || long.Suppressed) {
			t.Fatalf("it fits: %v; cut: %v", fits, err)
		}
		if err != nil {
			return
		}
		messages := uint32(0)
		for _, b := range shards[0] {
			if messages += b.Messages; b.Bytes > 1000 {
				t.Fatalf("a request of %d bytes", b.Bytes)
			}
		}
		if want := uint32(5); messages != want && !(long.Suppressed && messages == want-1) {
			t.Fatalf("%d messages", messages)
		}
	})
}

func TestWhatASinkAsksComesBeforeTheRoom(t *testing.T) {
	asked := Asked(examining{}, Limits{Messages: 1, Bytes: 50}, 2)
	if len(asked) != 2 || asked[0].Code != "odd_name" || asked[1].Code != person.CodeTooLong || asked[1].Words != "the message makes a request of more than 50 bytes" {
		t.Errorf("%+v", asked)
	}
	if asked[1].Least != 0 || asked[1].Keeps([]string{"", ""}) {
		t.Error("a request that is too large without any field is not found")
	}
}

func TestFromWhichLengthOnARecordIsAsked(t *testing.T) {
	for _, test := range []struct{ most, constant, times, want int }{
		{10, 4, 1, 7}, {10, 4, 2, 4}, {10, 4, 6, 2}, {10, 10, 1, 1}, {10, 11, 1, 0}, {10, 4, 0, math.MaxInt}, {10, 11, 0, 0},
	} {
		if got := leastAbove(test.most, test.constant, test.times); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
	text, err := CompileTemplate("ab((x))c((x))", []string{"x"})
	must(t, err)
	if n := text.LeastAbove(9); n != 4 || text.Literal() != "abc" {
		t.Errorf("%d, %q", n, text.Literal())
	}
}
