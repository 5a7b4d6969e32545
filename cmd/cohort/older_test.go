package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine/plan"
	"cohort/ingest/person"
)

// olderRunsAreTooOld is just before the plans in testdata/older expire, 270 days after they began.
// Version 511999f began one run for each sink on 29 November 2026, with sixty people, and was killed.
var olderRunsAreTooOld = time.Date(2027, 8, 20, 0, 0, 0, 0, time.UTC)

// This version finishes the runs of an older version. It reaches every person once.
func TestRunsOfAnOlderVersionAreResumed(t *testing.T) {
	if time.Now().After(olderRunsAreTooOld) {
		t.Skip("the runs in testdata/older are too old to be resumed; begin others with an older version")
	}
	for _, test := range []struct {
		sink     string
		code     int
		accepted int // of the 60
		before   int // accepted by the older version
		inDoubt  int // and in doubt since its kill
		requests int // in all: a batch in doubt is replayed where the service takes a reference once
	}{
		{"notify", 0, 60, 30, 5, 13},
		{"nhsapp", 4, 59, 20, 1, 60},
		{"file", 0, 60, 20, 40, 20},
	} {
		t.Run(test.sink, func(t *testing.T) {
			w := newWorld(t)
			folder := olderRun(w, test.sink)
			before := statusOf(t, w, folder)
			if before.Fates[person.Accepted] != int64(test.before) || before.Fates[person.InDoubt] != int64(test.inDoubt) {
				t.Fatalf("the older version left %v", before.Fates)
			}
			end := w.run("resume", filepath.Join(folder, "run"))
			after := statusOf(t, w, folder)
			if end.code != test.code || after.Fates[person.Accepted] != int64(test.accepted) || after.Attempts != uint64(test.requests) || !after.AddsUp {
				t.Errorf("exit %d, %v, %d requests\n%s", end.code, after.Fates, after.Attempts, end.stderr)
			}
			if check := w.run("log", "verify", filepath.Join(folder, "run")); check.code != 0 {
				t.Errorf("log verify: exit %d\n%s", check.code, check.stderr)
			}
		})
	}
}

// A run that an older version began, and whose folder is lost, is begun again under its old references. So the service
// knows what it has.
func TestALostRunOfAnOlderVersionKeepsItsReferences(t *testing.T) {
	w := newWorld(t)
	folder := olderRun(w, "notify")
	for range 2 {
		if err := os.RemoveAll(filepath.Join(folder, "run")); err != nil {
			t.Fatal(err)
		}
		end := w.run("send", "-c", filepath.Join(folder, "campaign.yaml"), filepath.Join(folder, "cohort.csv"),
			"--simulate", "--run", filepath.Join(folder, "run"), "--send-again", "its folder is lost")
		if end.code != 0 {
			t.Fatalf("exit %d\n%s", end.code, end.stderr)
		}
		planned, err := plan.Open(filepath.Join(folder, "run"))
		if err != nil {
			t.Fatal(err)
		}
		if got := planned.References; got != planned.Run.OlderReferences() {
			t.Errorf("the references are %+v", got)
		}
		_ = planned.Close()
	}
}

// A run that an older version began, and that has lost its plan and its log, is planned under its old references.
func TestARunOfAnOlderVersionWithoutItsPlanKeepsItsReferences(t *testing.T) {
	w := newWorld(t)
	folder := filepath.Join(olderRun(w, "notify"), "run")
	for _, name := range []string{"plan.json", "log"} {
		if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if end := w.run("resume", folder); end.code != 10 {
		t.Fatalf("exit %d\n%s", end.code, end.stderr)
	}
	planned, err := plan.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = planned.Close() }()
	if got := planned.References; got != planned.Run.OlderReferences() {
		t.Errorf("the references are %+v", got)
	}
}

// olderRun copies a run that an older version began, and returns the folder that holds it.
func olderRun(w *world, sink string) string {
	w.t.Helper()
	folder := filepath.Join(w.dir, sink)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "older", sink))); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(folder, "register"), filepath.Join(folder, ".cohort")); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range []string{"run/run.json", ".cohort/register.jsonl"} {
		text := w.mustRead(filepath.Join(sink, name))
		w.write(filepath.Join(sink, name), strings.ReplaceAll(text, "/older/"+sink, folder))
	}
	return folder
}

func statusOf(t *testing.T, w *world, folder string) (s struct {
	Fates    map[person.Fate]int64
	Attempts uint64
	AddsUp   bool `json:"adds_up"`
}) {
	t.Helper()
	o := w.run("status", filepath.Join(folder, "run"), "--json")
	if err := json.Unmarshal([]byte(o.stdout), &s); err != nil {
		t.Fatalf("%v: %s%s", err, o.stdout, o.stderr)
	}
	return s
}
