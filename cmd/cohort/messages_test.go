package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cohort/engine/disk"
)

// operatorMistakes lists calls with a mistake of an operator. With HELD in the call, reconcile is at
// work on the run.
var operatorMistakes = []struct{ mistake, call string }{
	{"one dash before a long flag", "check -campaign good.yaml good.csv"},
	{"a flag takes the cohort for its file", "send -c good.yaml --dry-run good.csv"},
	{"a flag takes the cohort for its file", "check -c good.yaml --rejects good.csv"},
	{"no cohort at all", "send -c good.yaml"},
	{"a file in place of a folder", "resume good.csv"},
	{"a file in place of a folder", "status good.csv"},
	{"a file in place of a folder", "log verify good.csv"},
	{"the id of a run that is not here", "status f4601c0d"},
	{"a folder that is no run", "report secrets"},
	{"too short a start of an id", "stop RUN3"},
	{"the start of a run's id", "stop RUN4"},
	{"the start of a run's id", "pause RUN8"},
	{"the start of a run's id", "pace RUN8 --per-second 5"},
	{"the start of a run's id", "reconcile RUN8"},
	{"an output over a file", "generate -n 5 -o good.csv"},
	{"an output in a folder that is not there", "generate -n 5 -o no/such/x.csv"},
	{"an output in a folder that is not there", "report RUN8 -o no/such/x.parquet"},
	{"an output in a folder that is not there", "check -c good.yaml good.csv --rejects no/such/x.csv"},
	{"an output in a folder that is not there", "send -c good.yaml good.csv --dry-run no/such/x.jsonl"},
	{"reconcile is at work", "HELD decide RUN8 refused again --reason mended"},
	{"reconcile is at work", "HELD stop RUN8"},
	{"reconcile is at work", "HELD resume RUN8"},
	{"a port without a host", "simulate --listen 9300"},

	{"a tab in YAML", "check -c tab.yaml good.csv"},
	{"a wrong indentation", "check -c indented.yaml good.csv"},
	{"single brackets", "check -c single.yaml good.csv"},
	{"braces", "check -c braces.yaml good.csv"},
	{"a placeholder that is not closed", "check -c open.yaml good.csv"},
	{"a word for a number", "check -c word.yaml good.csv"},
	{"a comma in a number", "check -c comma.yaml good.csv"},
	{"stop_if switched off", "check -c off.yaml good.csv"},
	{"a word for true or false", "check -c ja.yaml good.csv"},
	{"on_halt names no program", "check -c nohalt.yaml good.csv"},
	{"on_halt is no list", "check -c halt.yaml good.csv"},
	{"a list without a reason", "check -c list.yaml good.csv"},
	{"test numbers in production", "check -c production.yaml good.csv"},

	{"Excel's first line", "check -c good.yaml sep.csv"},
	{"a title above the columns", "check -c good.yaml title.csv"},
	{"JSON", "check -c good.yaml json.csv"},
	{"a log-in page", "check -c good.yaml html.csv"},
}

// campaignMistakes are lines added to a campaign file that is in order, by the file's name.
var campaignMistakes = map[string]string{
	"good.yaml":     "pace: {per_second: 0}\n", // sends at any time of the day
	"tab.yaml":      "personalisation:\n\ta: b\n",
	"indented.yaml": "personalisation:\n  a: b\n c: d\n",
	"single.yaml":   "personalisation: {patient_first_name: (given_name)}\n",
	"braces.yaml":   "personalisation: {patient_first_name: \"{{given_name}}\"}\n",
	"open.yaml":     "personalisation: {patient_first_name: ((given_name)}\n",
	"word.yaml":     "pace: {per_second: fast}\n",
	"comma.yaml":    "pace: {per_second: \"5,000\"}\n",
	"off.yaml":      "stop_if: {of: 0}\n",
	"ja.yaml":       "pace: {spread: ja}\n",
	"nohalt.yaml":   "on_halt: [/no/such/page]\n",
	"halt.yaml":     "on_halt: /bin/true\n",
	"list.yaml":     "suppress: [{file: x}]\n",
}

// TestMessages compares the answers to operators' mistakes with testdata/messages.golden. UPDATE=1
// writes the file anew. An answer is an exit code and the text on standard error.
func TestMessages(t *testing.T) {
	golden, err := filepath.Abs("testdata/messages.golden")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) { Must(0, os.WriteFile(name, []byte(text), 0o600)) }
	base := strings.Replace(campaignOf(""), "pace: {per_second: 0}\n", "", 1)
	for name, lines := range campaignMistakes {
		write(name, strings.Replace(base, "\n", "\n"+lines, 1))
	}
	write("production.yaml", strings.ReplaceAll(base, "http://127.0.0.1:1", "https://api.service.nhs.uk")+"profile: production\n")
	Must(0, os.Mkdir("secrets", 0o700))
	for _, line := range []string{"generate -n 20 -o good.csv", "send -c good.yaml good.csv --simulate"} {
		if err := called(t, line); err != nil {
			t.Fatal(err)
		}
	}
	cohort := string(Must(os.ReadFile("good.csv")))
	write("sep.csv", "sep=,\n"+cohort)
	write("title.csv", "Autumn recall list\n"+cohort)
	write("json.csv", `[{"nhs_number": "9990000018"}]`)
	write("html.csv", "<!DOCTYPE html><html><body>log in</body></html>")
	folder := Must(filepath.Glob("runs/*"))[0]
	id := folder[strings.LastIndex(folder, "-")+1:]

	var got strings.Builder
	normal := strings.NewReplacer(dir, "/work", os.Args[0], "cohort", id, "1a2b3c4d", "RUN", "")
	for _, m := range operatorMistakes {
		line, held := strings.CutPrefix(m.call, "HELD ")
		line = strings.NewReplacer("RUN3", id[:3], "RUN4", id[:4], "RUN8", id).Replace(line)
		release := func() error { return nil }
		if held {
			release = Must(disk.Acquire(filepath.Join(folder, "lock"), "reconcile")).Release
		}
		var stderr strings.Builder
		code := execute(strings.Fields(line), new(strings.Builder), &stderr)
		Must(0, release())
		shown := strings.NewReplacer(id[:4]+" ", "1a2b ", id[:3]+" ", "1a2 ", id[:3]+"\n", "1a2\n").Replace(line + "\n")
		fmt.Fprintf(&got, "# %s\n$ cohort %s%sexit %d\n\n", m.mistake, normal.Replace(shown), normal.Replace(stderr.String()), code)
	}
	text := got.String()
	for pattern, plain := range map[string]string{
		`time=\S+ level`: "level", `process \d+ on \S+`: "process 123 on host", `or on \S+: kill -INT \d+`: "or on host: kill -INT 123", `since [-0-9]+ [:0-9]+`: "since 2026-11-29 10:00:00", `/work/` + id[:3]: "/work/1a2",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, plain)
	}
	if os.Getenv("UPDATE") != "" {
		Must(0, os.WriteFile(golden, []byte(text), 0o644))
	}
	want := string(Must(os.ReadFile(golden)))
	if text == want {
		return
	}
	wanted := strings.Split(want, "\n\n")
	for i, answer := range strings.Split(text, "\n\n") {
		if i >= len(wanted) || answer != wanted[i] {
			t.Errorf("now:\n%s\nUPDATE=1 accepts it in %s", answer, golden)
		}
	}
}
