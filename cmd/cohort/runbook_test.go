package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cohort/docs/runbooks"
)

// partsOfARunbook are its headings, in order.
var partsOfARunbook = []string{"What you see", "What it means", "Do this", "Do not", "Who to call", "How you know it is over"}

func runbookText(t *testing.T, name string) string {
	t.Helper()
	text, ok := runbooks.Text(name)
	if !ok {
		t.Fatalf("there is no runbook %s", name)
	}
	return text
}

// partOf is the text under a heading of a runbook.
func partOf(text, heading string) string {
	_, part, _ := strings.Cut(text, "\n## "+heading+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	return part
}

var (
	block        = regexp.MustCompile("(?s)\n   ```\n   (.*?)\n   ```")
	inBackquotes = regexp.MustCompile("`([^`]+)`")
	word         = regexp.MustCompile(`"[^"]*"|\S+`)
)

// commandsOf lists the commands of a runbook, in order.
func commandsOf(text string) (all []string) {
	for _, b := range block.FindAllStringSubmatch(text, -1) {
		all = append(all, b[1])
	}
	return all
}

// shellWords splits a command line, and takes quotes away.
func shellWords(line string) (all []string) {
	for _, w := range word.FindAllString(line, -1) {
		all = append(all, strings.Trim(w, `"`))
	}
	return all
}

func TestRunbooksHaveTheirParts(t *testing.T) {
	for _, name := range runbooks.Names() {
		text := runbookText(t, name)
		var parts []string
		for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			parts = append(parts, h[1])
		}
		if parts[0] != runbooks.Title(name) || !slices.Equal(parts[1:], partsOfARunbook) {
			t.Errorf("%s has the parts %q", name, parts)
		}
		if n := strings.Count(text, "\n"); n < 25 || n > 60 {
			t.Errorf("%s has %d lines; 25 to 60 are allowed", name, n)
		}
		if !strings.Contains(partOf(text, "Who to call"), "____") {
			t.Errorf("%s has no place for a telephone number", name)
		}
		if strings.Count(text, "   ```\n") != 2*len(commandsOf(text)) {
			t.Errorf("%s: a block has more than one command", name)
		}
	}
}

// otherPrograms are those of the system that runbooks call.
var otherPrograms = []string{"curl", "date", "df", "journalctl", "openssl"}

// A renamed command or flag fails here.
func TestCommandsOfRunbooksAreTakenByTheProgram(t *testing.T) {
	seen := 0
	for _, name := range runbooks.Names() {
		for _, line := range commandsOf(runbookText(t, name)) {
			words := shellWords(line)
			if slices.Contains(otherPrograms, words[0]) {
				continue
			}
			seen++
			command, rest, err := rootCommand().Find(words[1:])
			if words[0] != "cohort" || err != nil || !command.HasParent() || command.Hidden {
				t.Errorf("%s: %s: there is no such command", name, line)
				continue
			}
			if err := command.ParseFlags(rest); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			} else if err := command.Args(command, command.Flags().Args()); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			} else if what := strings.Join(command.Flags().Args()[min(1, command.Flags().NArg()):], " "); command.Name() == "decide" && !strings.Contains(command.Long, "\n  "+what) {
				t.Errorf("%s: %s: there is no such decision", name, line)
			}
		}
	}
	if seen < 70 {
		t.Errorf("only %d commands were found", seen)
	}
}

// sources is the text of the program, with strings that go on over lines put together.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"cmd", "engine", "sinks"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(all.String(), "")
}

// What a runbook says that a person sees is what the program says.
func TestRunbooksQuoteTheProgram(t *testing.T) {
	program, seen := sources(t), 0
	for _, name := range runbooks.Names() {
		for _, q := range inBackquotes.FindAllStringSubmatch(strings.ReplaceAll(partOf(runbookText(t, name), "What you see"), "\n  ", " "), -1) {
			seen++
			text := q[1]
			if code, isCode := strings.CutPrefix(text, "["); isCode {
				text = strconv.Quote(strings.TrimSuffix(code, "]"))
			}
			if !strings.Contains(program, text) && !slices.Contains(strings.Fields(codesOfCauses(program)), strings.Trim(text, `"`)) {
				if cmd, isCommand := strings.CutPrefix(text, "cohort "); isCommand {
					if _, _, err := rootCommand().Find(shellWords(cmd)); err == nil {
						continue
					}
				}
				t.Errorf("%s quotes %q, and the program does not say it", name, q[1])
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d quotes were found", seen)
	}
}

// codesOfCauses are the codes in say.go whose sentence is their cause.
func codesOfCauses(program string) string {
	_, list, _ := strings.Cut(program, "causes = strings.Fields(`")
	list, _, _ = strings.Cut(list, "`")
	return list
}

// withoutRunbook are the codes of ends that need none: a person did it, the message says all, or it is a defect.
var withoutRunbook = strings.Fields(`
	cannot_go_on signal stopped_by_command only_settled stopped_before_sending stopped_changing_nothing stopped_fetching
	stopped_making_files stopped_reading_stdin
`)

// Each code with which a run ends has a runbook, or needs none. A code stands in one runbook only.
func TestEveryStopAndHaltHasARunbook(t *testing.T) {
	program, seen := sources(t), 0
	for _, m := range regexp.MustCompile(`(?:Stopped\{Code: |code, why := |\tcode = |Ended\{Err: refusal\.New\(|\.stopped\(refusal\.New\()"([a-z_]+)"`).FindAllStringSubmatch(program, -1) {
		seen++
		if (runbooks.For(m[1]) == "") != slices.Contains(withoutRunbook, m[1]) {
			t.Errorf("%s: the runbook is %q", m[1], runbooks.For(m[1]))
		}
	}
	if seen < 20 {
		t.Errorf("only %d codes were found", seen)
	}
	for _, name := range runbooks.Names() {
		for _, code := range regexp.MustCompile("`\\[([a-z_]+)\\]`").FindAllStringSubmatch(partOf(runbookText(t, name), "What you see"), -1) {
			if runbooks.For(code[1]) != name {
				t.Errorf("%s has the code %s, and For leads to %s", name, code[1], runbooks.For(code[1]))
			}
		}
	}
	if runbooks.For("no_such_code") != "" || runbooks.Line("no_such_code") != "" {
		t.Error("an unknown code leads somewhere")
	}
}

func TestRunbookIsPrinted(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	Must(0, os.WriteFile(w.path("run.json"), []byte(`{"run_id": "0123456789abcdef0123456789abcdef", "campaign_file": "/srv/a b/winter.yaml"}`), 0o600))
	said := func(args ...string) (string, int) {
		var out, errors strings.Builder
		code := execute(append([]string{"runbook"}, args...), &out, &errors)
		return out.String() + errors.String(), code
	}
	if list, _ := said(); strings.Count(list, "\n") != len(runbooks.Names()) || !strings.Contains(list, "token-failing          The service does not let us in\n") {
		t.Error(list)
	}
	for _, name := range runbooks.Names() {
		if text, code := said(name); code != 0 || text != runbookText(t, name) {
			t.Errorf("%s: exit %d", name, code)
		}
	}
	text, _ := said("key-compromised", w.dir)
	if !strings.Contains(text, "\n   cohort resume "+w.dir+" --settle\n") || !strings.Contains(text, "\n   cohort auth check -c '/srv/a b/winter.yaml'\n") {
		t.Error(text)
	}
	if text, code := said("token"); code != 10 || !strings.HasSuffix(text, "[no_such_runbook]\n") {
		t.Error(text)
	}
}

// An alert leads to a runbook that names the alert.
func TestAlertsAndRunbooksNameEachOther(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join(repository, "docs/monitoring/alerts.yaml"))
	if err != nil {
		t.Skip("there are no alerts here: ", err)
	}
	all := regexp.MustCompile(`(?s)- alert: (\w+)\n.*?runbook: cohort runbook (\S+)\n`).FindAllStringSubmatch(string(rules), -1)
	for _, alert := range all {
		if text, ok := runbooks.Text(alert[2]); !ok || !strings.Contains(text, alert[1]) {
			t.Errorf("the runbook %s of %s is not there, or does not name it", alert[2], alert[1])
		}
	}
	if len(all) < 10 || len(all) != strings.Count(string(rules), "- alert:") {
		t.Errorf("%d alerts have a runbook", len(all))
	}
}
