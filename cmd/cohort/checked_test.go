package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/cmd/internal/intake"
	"cohort/engine/refusal"
)

// checked is the expected result of cohort check.
type checked struct {
	format  string // type, encoding, delimiter, and whether there is a header
	fates   string // of every record: sendable, invalid, duplicate, suppressed
	reasons string // of the invalid: code, count and first lines, the most frequent first
	rejects []string
	samples []string // the first messages, masked; nil when it does not matter
	why     string   // part of why a send would be refused; empty: it would go ahead
}

// six is a cohort with values that make rows hard to read: the delimiter, quotes, a line end,
// letters beyond ASCII, and numbers written in three ways.
func six(header ...string) sheet {
	n := Numbers(5)
	rows := sheet{
		{n[0], "O'Neill, Zoë"},
		{parted(n[1], " "), `Siân "Bill" Lloyd`},
		{" " + parted(n[2], "-") + " ", "Anne\nMarie"},
		{wrong(n[3]), "Bob"},
		{parted(n[0], "-"), "O'Neill, Zoë"},
		{n[4], "Cy €"},
	}
	if header != nil {
		rows = append(sheet{header}, rows...)
	}
	return rows
}

// sixFound is the expected result for the six records, with an invalid and a duplicate on these lines.
func sixFound(format string, invalid, duplicate int) checked {
	return checked{
		format: format, fates: "4 1 1 0", reasons: fmt.Sprintf("bad_number 1 on %d", invalid),
		rejects: []string{
			fmt.Sprintf("4,people.csv,%d,bad_number,the NHS number's check digit is wrong", invalid),
			fmt.Sprintf("5,people.csv,%d,duplicate,an earlier record of the file is the same person", duplicate),
		},
		samples: []string{`name: "X'Xxxxx, Xxx"`, `name: "Xxxx \"Xxxx\" Xxxxx"`, `name: "Xxxx\nXxxxx"`},
	}
}

// checks calls cohort check, for programs and for people, and compares the results with want.
func checks(t *testing.T, dir, campaign string, args []string, want checked) {
	t.Helper()
	aside := t.TempDir()
	campaignPath, rejects := filepath.Join(aside, "campaign.yaml"), filepath.Join(aside, "rejects.csv")
	Must(0, os.WriteFile(campaignPath, []byte(campaignOf(campaign)), 0o600))
	call := []string{"check", "-c", campaignPath, "--rejects", rejects}
	for _, name := range args {
		call = append(call, filepath.Join(dir, name))
	}
	exit := refusal.ExitDone
	if want.why != "" {
		exit = refusal.ExitRefused
	}
	var stdout, stderr bytes.Buffer
	if code := execute(append(call, "--json"), &stdout, &stderr); code != exit {
		t.Fatalf("exit %d, not %d\n%s", code, exit, stderr.String())
	}
	var found intake.Findings
	if err := json.Unmarshal(stdout.Bytes(), &found); err != nil {
		t.Fatalf("%v\n%s", err, stdout.String())
	}
	header := "header"
	if !found.Format.Header {
		header = "positions"
	}
	if got := strings.TrimPrefix(strings.Join([]string{found.Format.Type, found.Format.Encoding, found.Format.Delimiter, header}, " "), " "); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want.format), " ") {
		t.Errorf("the format is %q, not %q", got, want.format)
	}
	f := found.Fates
	if got := fmt.Sprintf("%d %d %d %d", f["sendable"], f["invalid"], f["duplicate"], f["suppressed"]); got != want.fates {
		t.Errorf("the fates are %s, not %s", got, want.fates)
	}
	if sum := f["sendable"] + f["invalid"] + f["duplicate"] + f["suppressed"]; sum != found.Records || len(f) != 4 {
		t.Errorf("the fates are of %d records, and there are %d", sum, found.Records)
	}
	var reasons []string
	left := leftOutBy(want.rejects)
	for _, r := range found.Reasons {
		if lines, is := left[r.Code]; is {
			if r.Count != int64(len(lines)) || !slices.Equal(r.FirstLines, lines[:min(5, len(lines))]) {
				t.Errorf("%d are left out as %s, first on %v; not on %v", r.Count, r.Code, r.FirstLines, lines)
			}
			delete(left, r.Code)
			continue
		}
		reasons = append(reasons, fmt.Sprintf("%s %d on %s", r.Code, r.Count, strings.Trim(fmt.Sprint(r.FirstLines), "[]")))
	}
	for code := range left {
		t.Errorf("nothing is said of %s", code)
	}
	if got := strings.Join(reasons, "; "); got != want.reasons {
		t.Errorf("the reasons are %q, not %q", got, want.reasons)
	}
	if found.WouldSend != (want.why == "") || !strings.Contains(found.Why, want.why) || found.Why == "" {
		t.Errorf("would send %v: %s", found.WouldSend, found.Why)
	}
	lines := strings.Split(strings.TrimSuffix(string(Must(os.ReadFile(rejects))), "\n"), "\n")
	if lines[0] != "row,file,line,code,reason" || !slices.Equal(lines[1:], want.rejects) {
		t.Errorf("the rejects are\n%s\nand not\n%s", strings.Join(lines[1:], "\n"), strings.Join(want.rejects, "\n"))
	}
	for _, file := range found.Format.Files {
		text := Must(os.ReadFile(file.Path))
		if file.Bytes != int64(len(text)) || file.SHA256 != fmt.Sprintf("%x", sha256.Sum256(text)) {
			t.Errorf("%s is not the file that was read", file.Path)
		}
	}
	stdout.Reset()
	if code := execute(call, &stdout, &stderr); code != exit {
		t.Errorf("in words: exit %d, not %d\n%s", code, exit, stderr.String())
	}
	if strings.HasPrefix(want.format, "nbss") && !strings.Contains(stdout.String(), ", extract 106\n") {
		t.Errorf("which extract it is is not said:\n%s", stdout.String())
	}
	var samples []string
	for line := range strings.Lines(stdout.String()) {
		if sample, is := strings.CutPrefix(line, "sample"); is {
			samples = append(samples, strings.TrimSpace(sample))
		}
	}
	if want.samples != nil && !slices.Equal(samples, want.samples) {
		t.Errorf("the samples are %q, not %q", samples, want.samples)
	}
}

// leftOutBy finds in rejects the lines of the duplicates and of the withdrawn, by code.
func leftOutBy(rejects []string) map[string][]int64 {
	left := map[string][]int64{}
	for _, r := range rejects {
		if column := strings.Split(r, ","); column[3] == "duplicate" || column[3] == "withdrawn" {
			var line int64
			_, _ = fmt.Sscan(column[2], &line)
			left[column[3]] = append(left[column[3]], line)
		}
	}
	return left
}
