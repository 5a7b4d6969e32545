package engine

import (
	"slices"
	"testing"
	"time"
)

// What is known of how a form was attempted: under which keys, and until when its request
// may have left.
func TestAttempts(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC) }
	first, second, other := FormID{}, FormID{Batch: 1}, FormID{Batch: 2}
	all := attempts{of: func(id FormID) bool { return id != other }, by: map[FormID]Attempted{}}
	for _, record := range []any{
		&runOpened{At: at(1), Key: "one"},
		&attempt{Form: first, N: 1, At: at(2)}, &attempt{Form: second, N: 1, At: at(2)}, &attempt{Form: other, N: 1, At: at(2)},
		&inDoubt{Form: first, N: 1, At: at(5)}, // the machine stood still
		&outcome{Form: other, N: 1, At: at(5), Result: ResultHeld},
		&runOpened{At: at(6), Key: "two"},
		&attempt{Form: second, N: 2, At: at(7)},
		&outcome{Form: second, N: 2, At: at(8), Result: ResultHeld},
	} {
		all.take(record)
	}
	for form, want := range map[FormID]Attempted{first: {at(5), []string{"one"}}, second: {at(8), []string{"one", "two"}}} {
		if got := all.by[form]; !got.Last.Equal(want.Last) || !slices.Equal(got.Keys, want.Keys) {
			t.Errorf("%v: %+v, want %+v", form, got, want)
		}
	}
	if _, there := all.by[other]; there || !all.by[first].onlyWith("one") || all.by[first].onlyWith("two") || all.by[second].onlyWith("two") {
		t.Errorf("%+v", all.by)
	}
}
