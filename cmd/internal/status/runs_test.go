package status

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/docs/runbooks"
	"cohort/engine/ledger"
	"cohort/ingest/person"
)

func TestThePreviousRunOfASeries(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	all := Runs{Runs: []*Run{
		{RunID: "third", Series: "a", Service: "notify x", began: day(4)},
		{RunID: "rehearsal", Series: "a", Service: "notify simulator", began: day(3)},
		{RunID: "of another series", Series: "b", Service: "notify x", began: day(3)},
		{RunID: "of none later", Service: "notify x", began: day(3)},
		{RunID: "second", Series: "a", Service: "notify x", began: day(2)},
		{RunID: "first", Series: "a", Service: "notify x", began: day(1)},
		{RunID: "of none", Service: "notify x", began: day(1)},
	}}
	want := map[string]string{"second": "first", "third": "second"}
	for _, r := range all.Runs {
		got := ""
		if previous := all.PreviousOfSeries(r); previous != nil {
			got = previous.RunID
		}
		if got != want[r.RunID] {
			t.Errorf("before %s was %q, want %q", r.RunID, got, want[r.RunID])
		}
	}
}

// Whoever looks after many runs sees what waits, with a command that is safe to type.
func TestWhatWaitsForAPerson(t *testing.T) {
	with := func(s Status) *Status {
		s.Folder, s.AddsUp = "/runs/a", true
		if s.Fates == nil {
			s.Fates = map[person.Fate]int64{}
		}
		return &s
	}
	for sentence, test := range map[string]struct {
		status *Status
		want   []string // verbs of commands
	}{
		"finished":                     {with(Status{State: ledger.Finished}), nil},
		"at work":                      {with(Status{State: ledger.Sending}), nil},
		"waiting for its window":       {with(Status{State: ledger.WaitingWindow}), nil},
		"asking":                       {with(Status{State: ledger.Reconciling}), nil},
		"finished with refusals":       {with(Status{State: ledger.Finished, Fates: map[person.Fate]int64{person.Refused: 3}}), []string{"decide"}},
		"superseded with refusals":     {with(Status{State: ledger.SupersededRun, Fates: map[person.Fate]int64{person.Refused: 3}}), nil},
		"paused":                       {with(Status{State: ledger.Paused, Paused: "by ann"}), []string{"continue paused-or-held"}},
		"stopped while paused":         {with(Status{State: ledger.RunStopped, Paused: "by ann"}), []string{"continue paused-or-held", "resume"}},
		"halted":                       {with(Status{State: ledger.Halted, haltCode: "full_disk"}), []string{"resume disk-full"}},
		"halted by an older version":   {with(Status{State: ledger.Halted}), []string{"resume"}},
		"halted by a foreign batch":    {with(Status{State: ledger.Halted, Foreign: 1}), []string{"decide foreign-batch"}},
		"died":                         {with(Status{State: ledger.Died}), []string{"resume died"}},
		"at work with a held batch":    {with(Status{State: ledger.Sending, Held: 1}), []string{"decide paused-or-held"}},
		"in doubt at NHS Notify":       {with(Status{State: ledger.EndedInDoubt, Held: 1}), []string{"decide in-doubt"}},
		"in doubt at the NHS App":      {with(Status{State: ledger.EndedInDoubt, Held: 1, byReceipts: true}), []string{"reconcile in-doubt"}},
		"an account that does not add": {&Status{State: ledger.Finished, Fates: map[person.Fate]int64{}, Folder: "/runs/a"}, []string{"status"}},
		"killed before it had a plan":  {&Status{State: ledger.Died, Folder: "/runs/a"}, []string{"resume died"}},
	} {
		var got []string
		for _, w := range test.status.waits() {
			verb, found := strings.CutSuffix(w.Command, " /runs/a")
			if !found || w.What == "" {
				t.Errorf("%s: %+v", sentence, w)
			}
			verb = verb[strings.LastIndexByte(verb, ' ')+1:]
			if _, ok := runbooks.Text(w.Runbook); ok {
				verb += " " + w.Runbook
			}
			got = append(got, verb)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", sentence, got, test.want)
		}
	}
}
