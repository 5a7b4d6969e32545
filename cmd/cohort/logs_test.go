package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"cohort/engine/event"
	"cohort/engine/refusal"
)

// eventNames checks the lines of a log for programs, and returns their names in order. From the first line that has the
// run on, every line has it. A line about a request has its correlation id.
func eventNames(t *testing.T, said string) (all []string) {
	t.Helper()
	documented, run := pageText(t, "docs/logs.md"), ""
	for line := range strings.Lines(said) {
		var is struct{ Time, Level, Msg, Event, Run, Correlation, Batch string }
		err := json.Unmarshal([]byte(line), &is)
		switch {
		case err != nil || is.Time == "" || is.Level == "" || is.Msg == "" || !strings.Contains(documented, "\n| `"+is.Event+"` |"):
			t.Errorf("not a line of a log for programs (%v): %s", err, line)
		case run != "" && is.Run != run:
			t.Errorf("a line without the run %s: %s", run, line)
		case is.Batch != "" && len(is.Correlation) != 36:
			t.Errorf("a line about a request without its correlation id: %s", line)
		}
		run = is.Run
		all = append(all, is.Event)
	}
	return all
}

// said calls the program in this process.
func (w *world) said(args ...string) exited {
	w.t.Helper()
	var out exited
	var stdout, stderr strings.Builder
	out.code = execute(args, &stdout, &stderr)
	out.stdout, out.stderr = stdout.String(), stderr.String()
	return out
}

// A whole run. No line has a number or a name of the cohort, or a key.
func TestALogForPrograms(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), service: "127.0.0.1:1"}
	w.write("api-key", "an-application\n")
	w.key("key.pem")
	w.campaign("pace: {per_second: 0}\non_halt: [/bin/echo, PAGED]")
	w.generate(500, 0.02)
	call := []string{"send", "-c", w.path("campaign.yaml"), w.path("cohort.csv"), "--simulate", "--run", w.path("run"), "--log-format"}
	out := w.said(append(call, "json")...)
	events := eventNames(t, out.stderr)
	if out.code != 0 || !slices.Contains(events, "planning") || !slices.Contains(events, "sending") || events[len(events)-1] != "finished" {
		t.Errorf("exit %d: %s", out.code, out.stderr)
	}
	shown := out.stderr
	if out = w.said(append(call, "json")...); out.code != 0 || strings.Join(eventNames(t, out.stderr), " ") == "" || !strings.Contains(out.stderr, `"event":"already_finished"`) {
		t.Errorf("exit %d: %s", out.code, out.stderr)
	}
	shown += out.stderr
	if strings.Contains(shown, "an-application") {
		t.Error(shown)
	}
	for _, row := range w.report(w.path("run")) {
		if row.NHSNumber != nil && *row.NHSNumber != "" && strings.Contains(shown, *row.NHSNumber) {
			t.Fatalf("a number is in %s", shown)
		}
	}

	w.campaign("pace: {per_second: 0}\nprofile_: x\n")
	for args, event := range map[string]string{
		strings.Join(append(call, "json"), " "):                       "refused", // the campaign is wrong
		"send --nonsense --log-format=json":                           "refused",
		"callbacks --log-format json":                                 "refused",
		"simulate --log-format json --hasten 0":                       "refused",
		"resume " + w.path("nowhere") + " --log-format json":          "refused",
		"simulate --log-format json --jwks " + w.path("nowhere.json"): "refused",
	} {
		out := w.said(strings.Fields(args)...)
		if events := eventNames(t, out.stderr); out.code != refusal.ExitRefused || len(events) != 1 || events[0] != event {
			t.Errorf("%s: exit %d, %s", args, out.code, out.stderr)
		}
	}
	if out := w.said("send", "--log-format", "xml"); !out.refused("flag_value_wrong") {
		t.Error(out.stderr)
	}
}

// on_halt may print anything. It is in a line of the log.
func TestWhatOnHaltPrintsIsInTheLogForPrograms(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), service: "127.0.0.1:1"}
	w.key("key.pem")
	w.campaign("pace: {per_second: 0}\non_halt: [/bin/echo, PAGED]")
	w.generate(20, 0)
	out := w.said("send", "-c", w.path("campaign.yaml"), w.path("cohort.csv"), "--runs", w.path("runs"), "--log-format", "json") // there is no API key
	events := eventNames(t, out.stderr)
	if out.code != refusal.ExitRefused || !slices.Contains(events, "on_halt_says") || !strings.Contains(out.stderr, "PAGED") {
		t.Errorf("exit %d: %s", out.code, out.stderr)
	}
}

// The command that goes on is in the last line, also when it is not text.
func TestTheCommandThatGoesOnIsInTheLogForPrograms(t *testing.T) {
	for code, name := range map[int]string{refusal.ExitStopped: "stopped", refusal.ExitInDoubt: "in_doubt"} {
		var said strings.Builder
		if exit := conclude(&refusal.Ended{Err: errors.New("why"), Code: code, Next: "cohort resume runs/a"}, teller{log: event.JSON(&said)}); exit != code {
			t.Errorf("exit %d", exit)
		}
		var last struct{ Command string }
		if err := json.Unmarshal([]byte(said.String()), &last); err != nil || last.Command != "cohort resume runs/a" || eventNames(t, said.String())[0] != name {
			t.Errorf("%v: %s", err, said.String())
		}
	}
}
