package main

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/cmd/internal/find"
	"cohort/ingest/person"
)

func (w *world) find(args ...string) (a find.Answer) {
	w.t.Helper()
	o := w.run(append([]string{"find", "--json", "--reason", "a test"}, args...)...)
	if o.code != 0 || o.stderr != "" {
		w.t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if err := json.Unmarshal([]byte(o.stdout), &a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// What find shows of a message is what the report has, whatever happened to the run; and each text is proven. No
// number is in the audit journal or in an error.
func TestFindAgreesWithTheReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate(everyFault)
	w.campaign("pace: {per_second: 0}")
	w.generate(3000, 0.02)
	for range 3 {
		c, _, _ := w.start("send", "-c", "campaign.yaml", "cohort.csv")
		kill := time.AfterFunc(400*time.Millisecond, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
	}
	folder := w.folder()
	if o := w.run("resume", folder); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	looked := map[string]int{}
	var numbers []string
	for _, r := range w.report(folder) {
		key := r.Outcome + deref(r.ReasonCode)
		if _, err := person.ParseNHSNumber(deref(r.NHSNumber)); err != nil || looked[key] >= 4 && r.Row%1000 != 0 {
			continue
		}
		looked[key]++
		numbers = append(numbers, *r.NHSNumber)
		a := w.find(folder, "--nhs-number", *r.NHSNumber)
		var f *find.Found
		for _, one := range a.Records {
			if one.Row == r.Row {
				f = one
			}
		}
		if f == nil {
			t.Fatalf("row %d is not found", r.Row)
		}
		if string(f.Outcome) != r.Outcome || f.Code != deref(r.ReasonCode) || f.Attempts != int(r.Attempts) || f.Line != r.Line ||
			f.BatchReference != deref(r.BatchReference) || f.MessageReference != deref(r.MessageReference) || f.MessageID != deref(r.MessageID) {
			t.Errorf("found %+v, and the report has %+v", f, r)
		}
		if r.MessageReference == nil {
			continue
		}
		if !f.Message.Proven || len(f.Message.Fields) != 2 || f.Message.Fields[1].Text == "" {
			t.Errorf("row %d: %+v", r.Row, f.Message)
		}
		attempts, refused := 0, false
		for _, h := range f.History {
			if strings.Contains(h.What, ": the message is sent") {
				attempts++
			}
			refused = refused || strings.Contains(h.What, "the message is refused (")
		}
		if attempts < f.Attempts || refused != (r.Outcome == "refused") {
			t.Errorf("row %d has %d attempts, %s, and this history: %+v", r.Row, f.Attempts, f.Outcome, f.History)
		}
		if b := w.find("--runs", w.path("runs"), "--reference", f.MessageReference); len(b.Records) != 1 || b.Records[0].Row != r.Row {
			t.Errorf("row %d is not found by its reference", r.Row)
		}
	}
	requests := map[string]int{}
	for _, r := range w.report(folder) {
		if r.Outcome == "accepted" {
			requests[*r.BatchReference]++
		}
	}
	some := 0
	for reference, messages := range requests {
		a := w.find("--runs", w.path("runs"), "--reference", reference)
		if len(a.Records) != 0 || len(a.Requests) != 1 || int(a.Requests[0].Messages) != messages || a.Requests[0].Folder != folder {
			t.Errorf("request %s with %d messages: %+v", reference, messages, a)
		}
		if some++; some == 5 {
			break
		}
	}
	if looked["accepted"] < 4 || looked["duplicateduplicate"] == 0 || looked["refusedCM_INVALID_NHS_NUMBER"] == 0 {
		t.Errorf("looked at %v: the test has lost its point", looked)
	}
	files := 0
	err := eachFile(w.path(".cohort"), func(path string, text []byte, mode fs.FileMode) {
		files++
		for _, number := range numbers {
			if strings.Contains(path+string(text), number) || mode != 0o600 {
				t.Errorf("%s names a person, or has mode %o", path, mode)
			}
		}
	})
	if err != nil || files < len(numbers) {
		t.Errorf("looked at %d files: %v", files, err)
	}
}

// Runs of an older version have other references, and no register in run.json.
func TestFindInRunsOfAnOlderVersion(t *testing.T) {
	w := newWorld(t)
	for _, sink := range []string{"notify", "nhsapp", "file"} {
		folder := filepath.Join(olderRun(w, sink), "run")
		a := w.find(folder, "--nhs-number", "9993201693")
		if len(a.Records) != 1 || a.Records[0].Row != 3 || !a.Records[0].Message.Proven || a.Records[0].Message.Template == "" {
			t.Errorf("%s: %+v", sink, a.Records)
			continue
		}
		f := a.Records[0]
		said, _ := json.Marshal(f.Message.Fields)
		if !strings.Contains(string(said), "Fatima") {
			t.Errorf("%s: the text is %s", sink, said)
		}
		if b := w.find(folder, "--reference", f.MessageReference); len(b.Records) != 1 || b.Records[0].Row != 3 || b.Recorded[0].Records != 2 {
			t.Errorf("%s: by its reference: %+v", sink, b)
		}
	}
}

// A number that is mistaken for a flag, or given to another one, is not repeated.
func TestFindRepeatsNoFlag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, arg := range []string{"-9990000018", "--9990000018", "--json=999 000 0018"} {
		if o := w.run("find", "--runs", "runs", arg); !o.refused("flag_with_number") || strings.Contains(o.stderr, "0018") {
			t.Errorf("%s: exit %d\n%s", arg, o.code, o.stderr)
		}
	}
	if o := w.run("find", "--runs", "runs", "--nothing"); !o.refused("flag_wrong") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
