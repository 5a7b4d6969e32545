package runfolder

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestThePreviousRunOfASeries(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	all := []Member{
		{RunID: "second", Series: "a", Service: "notify x", Began: day(2)},
		{RunID: "first", Series: "a", Service: "notify x", Began: day(1)},
		{RunID: "rehearsal", Series: "a", Service: "notify simulator", Began: day(3)},
		{RunID: "third", Series: "a", Service: "notify x", Began: day(4)},
		{RunID: "of another series", Series: "b", Service: "notify x", Began: day(3)},
		{RunID: "of none", Service: "notify x", Began: day(1)},
		{RunID: "of none later", Service: "notify x", Began: day(3)},
	}
	want := map[string]string{"second": "first", "third": "second"}
	for _, m := range all {
		got := ""
		if previous := PreviousOfSeries(m, all); previous != nil {
			got = previous.RunID
		}
		if got != want[m.RunID] {
			t.Errorf("before %s was %q, want %q", m.RunID, got, want[m.RunID])
		}
	}
}

// The heading is that of the copy in the run's folder: the campaign file may be another campaign's by now.
func TestTheHeadingOfARun(t *testing.T) {
	dir := t.TempDir()
	if h := Heading(dir); h.Title != "" {
		t.Error(h)
	}
	if err := os.WriteFile(filepath.Join(dir, campaignFile), []byte("title: A\nseries: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := Heading(dir); h.Title != "A" || h.Series != "b" {
		t.Error(h)
	}
}
