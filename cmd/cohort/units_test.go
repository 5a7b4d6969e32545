package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/engine/refusal"
)

// What the units of systemd start is a command of this program, with flags and arguments that it takes.
func TestTheUnitsStartCommandsThatExist(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(repository, "docs/systemd/*.service"))
	if err != nil || len(units) == 0 {
		t.Fatal(units, err)
	}
	for _, path := range units {
		unit := pageText(t, strings.TrimPrefix(path, repository+"/"))
		line := setting(unit, "ExecStart")
		line = strings.Replace(line, "$FLAGS", setting(unit, "Environment=FLAGS"), 1)
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "/usr/bin/cohort" {
			t.Fatalf("%s starts %q", path, line)
		}
		c, rest, err := rootCommand().Find(words[1:])
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err == nil {
			err = c.ValidateArgs(c.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s starts %q: %v", path, line, err)
		}
	}
}

// A crash, and a kill, start a send again. What needs a person does not.
func TestOnlyACrashStartsASendAgain(t *testing.T) {
	unit := pageText(t, "docs/systemd/cohort@.service")
	needsAPerson := fmt.Sprint(refusal.ExitDefect, refusal.ExitStopped, refusal.ExitInDoubt, refusal.ExitRefused)
	if got := setting(unit, "RestartPreventExitStatus"); got != needsAPerson || setting(unit, "Restart") != "on-failure" {
		t.Errorf("Restart=%s, and not on %s; these need a person: %s", setting(unit, "Restart"), got, needsAPerson)
	}
}

// setting returns the value of a setting of a unit, without quotes.
func setting(unit, name string) string {
	lines := strings.Split(unit, "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(strings.ReplaceAll(line, `"`, ""), name+"=") })
	if i < 0 {
		return ""
	}
	return strings.TrimPrefix(strings.ReplaceAll(lines[i], `"`, ""), name+"=")
}
