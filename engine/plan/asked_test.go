package plan_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/ingest/person"
)

// What Asked finds of a record is what Cut would find, and whoever is sent nothing may have
// a message of any size: it is in no body.
func TestCutKeepsToTheLimitsOfAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := enginetest.NewPeople(5, 1, nil)
		at := rapid.IntRange(0, 4).Draw(t, "at")
		long := &p.ByLane[0][at]
		long.Fields[0] = strings.Repeat("\x01", rapid.IntRange(0, 400).Draw(t, "length"))
		long.Suppressed = rapid.Bool().Draw(t, "suppressed")
		limits := engine.Limits{Messages: rapid.IntRange(1, 5).Draw(t, "messages"), Bytes: 1000}
		room := engine.Asked(enginetest.Encoding{}, limits, len(long.Fields))[0]
		fits := len(long.Fields[0]) < room.Least || room.Keeps(long.Fields)
		shards, err := enginetest.Cut(t.Context(), p, enginetest.Encoding{}, limits)
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

func TestTheServicesLimitsComeFirst(t *testing.T) {
	asked := engine.Asked(examining{}, engine.Limits{Messages: 1, Bytes: 50}, 2)
	if len(asked) != 2 || asked[0].Code != "odd_name" || asked[1].Code != person.CodeTooLong || asked[1].Words != "the message makes a request of more than 50 bytes" {
		t.Errorf("%+v", asked)
	}
	if asked[1].Least != 0 || asked[1].Keeps([]string{"", ""}) {
		t.Error("a request that is too large without any field is not found")
	}
}
