package status

import (
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"cohort/cmd/internal/terminal"
	"cohort/engine/ledger"
	"cohort/ingest/person"
)

func TestATextIsCutToItsTerminal(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	s := &Status{RunID: "0123456789abcdef", Campaign: "bowel", Service: "notify", Folder: "/runs/a", State: "sending", PID: 7, Host: "host", FirstStart: &now, LastAnswer: &now,
		Fates: map[person.Fate]int64{person.Accepted: 12_345}, Records: 12_345, AddsUp: true, Paused: "by ann: " + strings.Repeat("a long story ", 30)}
	for range 5 {
		s.Events = append(s.Events, ledger.Event{At: now, Verb: "paused", Detail: strings.Repeat("日本", 100)})
	}
	full := (&Watcher{}).Text(s, nil)
	for height := 9; height < 60; height++ {
		text := terminal.Fit(full, 60, height)
		lines := strings.Split(text, "\n")
		if len(lines) > height {
			t.Fatalf("%d lines where there is room for %d", len(lines), height)
		}
		for _, line := range lines {
			if runewidth.StringWidth(line) > 60 {
				t.Errorf("%q is too wide", line)
			}
		}
		for _, want := range []string{"state     sending", "records   12345", "accepted          12345", "to go                 0"} {
			if !strings.Contains(text, want) {
				t.Errorf("%d lines have no %q", height, want)
			}
		}
	}
	if got := terminal.Fit(full, 10_000, 100); got != strings.TrimRight(full, "\n") {
		t.Errorf("where there is room for all, this is left:\n%s", got)
	}
}
