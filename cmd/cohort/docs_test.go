package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cohort/engine/ledger"
	"cohort/engine/refusal"
)

const repository = "../.."

func pageText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages returns the paths of the project's pages, from the root.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md", "bench/README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/runbooks/*.md", "engine/*.md", "engine/decisions/*.md"} {
		found, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %d pages", pattern, err, len(found))
		}
		for _, path := range found {
			all = append(all, strings.TrimPrefix(path, repository+"/"))
		}
	}
	return all
}

func TestTheCommandsPageMatchesTheProgram(t *testing.T) {
	if pageText(t, "docs/commands.md") != string(commandsPage(rootCommand())) {
		t.Error("docs/commands.md is stale; run: make docs")
	}
}

// A packager calls cohort docs; help does not list it.
func TestDocsWritesManPagesAndCompletions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "docs")
	if err := writeDocs(rootCommand(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"commands.md", "man/cohort-send.1", "man/cohort-log-verify.1",
		"completions/cohort.bash", "completions/cohort.zsh", "completions/cohort.fish"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if writeDocs(rootCommand(), dir) == nil {
		t.Error("a folder that was there is written to")
	}
}

func TestREADMEIsShort(t *testing.T) {
	if lines := strings.Count(pageText(t, "README.md"), "\n"); lines > 180 {
		t.Errorf("README.md has %d lines; 180 are allowed", lines)
	}
	if lines := strings.Count(pageText(t, "engine/DESIGN.md"), "\n"); lines > 150 {
		t.Errorf("engine/DESIGN.md has %d lines; 150 are allowed", lines)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	symbols = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the places in a page that a link can name, as GitHub makes them of headings.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all[strings.ReplaceAll(symbols.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return all
}

func TestLinksBetweenPagesLead(t *testing.T) {
	for _, name := range pages(t) {
		for _, l := range link.FindAllStringSubmatch(fence.ReplaceAllString(pageText(t, name), ""), -1) {
			target, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = filepath.Join(filepath.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(repository, to)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, l[1])
			} else if anchor != "" && !anchors(pageText(t, to))[anchor] {
				t.Errorf("%s links to %s, and that page has no such heading", name, l[1])
			}
		}
	}
}

// shown finds calls of cohort: in backquotes, and on lines of their own.
var shown = regexp.MustCompile("`cohort ([a-z][^`]*)`|(?m:^ *cohort ([a-z].*)$)")

// notYet are commands and flags of the pages that other changes bring.
var notYet = []string{"--ask"}

func TestThePagesShowCommandsAndFlagsThatExist(t *testing.T) {
	seen := 0
	for _, name := range pages(t) {
		if name == "docs/commands.md" || name == "bench/README.md" {
			continue
		}
		for _, call := range shown.FindAllStringSubmatch(pageText(t, name), -1) {
			line, _, _ := strings.Cut(call[1]+call[2], "  ") // what follows is a comment
			words := strings.Fields(strings.Trim(strings.NewReplacer("[", " ", "]", " ").Replace(line), " "))
			if slices.Contains(notYet, words[0]) {
				continue
			}
			seen++
			command, rest, err := rootCommand().Find(words)
			if err != nil || !command.HasParent() {
				t.Errorf("%s shows cohort %s, and there is no such command", name, line)
				continue
			}
			command.InitDefaultHelpFlag()
			for _, word := range rest {
				flag, isFlag := strings.CutPrefix(word, "--")
				if isFlag && command.Flags().Lookup(flag) == nil && !slices.Contains(notYet, word) {
					t.Errorf("%s shows cohort %s, and %s has no flag %s", name, line, command.CommandPath(), word)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d calls were found in the pages", seen)
	}
}

// has reports whether a table in the page has a row with the word in its first cell.
func has(text, word string) bool {
	return regexp.MustCompile("(?m)^\\|([^|]*[ `])?" + regexp.QuoteMeta(word) + "[` ,][^|]*\\|").MatchString(text)
}

func TestOperatingExplainsEveryExitCodeAndState(t *testing.T) {
	text := pageText(t, "docs/operating.md")
	for _, code := range []int{refusal.ExitDone, refusal.ExitDefect, 2, refusal.ExitStopped, refusal.ExitInDoubt, refusal.ExitRefused} {
		if !has(text, fmt.Sprint(code)) {
			t.Errorf("docs/operating.md has no row for exit code %d", code)
		}
	}
	for _, state := range []ledger.RunState{ledger.Preparing, ledger.WaitingWindow, ledger.WaitingService, ledger.Sending, ledger.Paused,
		ledger.Reconciling, ledger.RunStopped, ledger.Died, ledger.Halted, ledger.EndedInDoubt, ledger.SupersededRun, ledger.Finished} {
		if !has(text, string(state)) {
			t.Errorf("docs/operating.md has no row for the state %s", state)
		}
	}
}
