package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// mostFollowed limits the commands that a person follows in turn before giving up.
const mostFollowed = 4

// advised is a command line in what the program says: a command of cohort, perhaps behind another
// one, or a signal.
var advised = regexp.MustCompile(`(?:mv \S+ \S+ && )?\b(?:cohort|tenmonthslater) (?:` + commandNames() + `)(?: '[^']*'| [^\s;()<]+)* ?|kill -INT [0-9]+`)

func commandNames() string {
	var all []string
	for _, c := range rootCommand().Commands() {
		all = append(all, c.Name())
	}
	return strings.Join(all, "|")
}

// leads runs a command and then what its messages advise, until a command works or the program
// says why nothing more can be done: leads END cohort …
// END is 0, or the code of the refusal that advises nothing. Advice that is given twice is a circle.
func leads(ts *testscript.TestScript, _ bool, args []string) {
	want, line := args[0], quoted(args[1:])
	followed := []string{}
	for {
		if slices.Contains(followed, line) {
			ts.Fatalf("a circle: %s", strings.Join(append(followed, line), "\n -> "))
		}
		if followed = append(followed, line); len(followed) > 1+mostFollowed {
			ts.Fatalf("it leads nowhere: %s", strings.Join(followed, "\n -> "))
		}
		failed := ts.Exec("sh", "-c", line)
		said := ts.ReadFile("stderr")
		if failed == nil {
			if want != "0" {
				ts.Fatalf("it works, and was to end with %s: %s", want, strings.Join(followed, "\n -> "))
			}
			return
		}
		next := advice(said)
		switch {
		case strings.HasPrefix(next, "kill "):
			ts.Check(exec.Command("sh", "-c", next).Run())
			time.Sleep(time.Second)
			followed = followed[:len(followed)-1] // and the same again
		case next != "":
			line = strings.ReplaceAll(next, "--reason why", "--reason 'a person says so'")
		case endsWith(said, want):
			return
		default:
			ts.Fatalf("it ends with %q, not with %s: %s", said, want, strings.Join(followed, "\n -> "))
		}
	}
}

// advice is the command that an error advises: its last line's, or the last one of its sentence.
func advice(said string) string {
	var errors []string
	for line := range strings.Lines(said) {
		if _, text, isError := strings.Cut(line, "cohort: "); isError && strings.HasPrefix(line, "cohort: ") {
			errors = []string{text}
		} else if advised.FindString(line) == strings.TrimSpace(line) {
			errors = append(errors, line) // the command that goes on
		}
	}
	if len(errors) == 0 {
		return ""
	}
	last := errors[len(errors)-1]
	if at := strings.Index(last, "kill -INT"); at >= 0 { // before it stands what the process does
		last = last[at:]
	}
	first := strings.TrimRight(strings.TrimSpace(advised.FindString(last)), ".,:")
	if text, _, cut := strings.Cut(first, ". "); cut { // the sentence goes on
		first = text
	}
	if text, _, cut := strings.Cut(first, " ["); cut { // the code
		first = text
	}
	return first
}

// quoted is a command line for a shell.
func quoted(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(all, " ")
}
