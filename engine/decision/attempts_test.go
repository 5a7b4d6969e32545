package decision

import (
	"slices"
	"testing"
	"time"

	"cohort/engine/plan"
	"cohort/engine/record"
)

// What is known of how a form was attempted: under which keys, and until when its request
// may have left.
func TestAttempts(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC) }
	first, second, other := plan.FormID{}, plan.FormID{Batch: 1}, plan.FormID{Batch: 2}
	all := attempts{of: func(id plan.FormID) bool { return id != other }, by: map[plan.FormID]Attempted{}}
	for _, record := range []record.Record{
		&record.RunOpened{At: at(1), Key: "one"},
		&record.Attempt{Form: first, N: 1, At: at(2)}, &record.Attempt{Form: second, N: 1, At: at(2)}, &record.Attempt{Form: other, N: 1, At: at(2)},
		&record.InDoubt{Form: first, N: 1, At: at(5)}, // the machine stood still
		&record.Outcome{Form: other, N: 1, At: at(5), Result: record.ResultHeld},
		&record.RunOpened{At: at(6), Key: "two"},
		&record.Attempt{Form: second, N: 2, At: at(7)},
		&record.Outcome{Form: second, N: 2, At: at(8), Result: record.ResultHeld},
	} {
		all.add(record)
	}
	for form, want := range map[plan.FormID]Attempted{first: {at(5), []string{"one"}}, second: {at(8), []string{"one", "two"}}} {
		if got := all.by[form]; !got.Last.Equal(want.Last) || !slices.Equal(got.Keys, want.Keys) {
			t.Errorf("%v: %+v, want %+v", form, got, want)
		}
	}
	if _, there := all.by[other]; there {
		t.Errorf("%+v", all.by)
	}
}
