// Package runbooks holds the pages for a person on duty: one for each symptom. Messages, alerts and
// the status page lead to them by name, so a name never changes. All functions are safe for concurrent use.
package runbooks

import (
	"embed"
	"regexp"
	"strings"
	"sync"
)

// The runbooks for states of a run.
const (
	Died         = "died"
	ForeignBatch = "foreign-batch"
	InDoubt      = "in-doubt"
	PausedOrHeld = "paused-or-held"
)

//go:embed *.md
var files embed.FS

// Names lists all runbooks in the order of the alphabet.
func Names() (all []string) {
	entries, _ := files.ReadDir(".") // it is in the program
	for _, e := range entries {
		all = append(all, strings.TrimSuffix(e.Name(), ".md"))
	}
	return all
}

// Text is the Markdown of a runbook.
func Text(name string) (string, bool) {
	text, err := files.ReadFile(name + ".md")
	return string(text), err == nil
}

// Title is the heading of a runbook; empty if there is none of that name.
func Title(name string) string {
	text, _ := Text(name)
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(line, "# ")
}

// shown is a code of a message, as it stands under "What you see".
var shown = regexp.MustCompile("`\\[([a-z_]+)\\]`")

var byCode = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, name := range Names() {
		text, _ := Text(name)
		_, text, _ = strings.Cut(text, "## What you see\n")
		text, _, _ = strings.Cut(text, "\n## ")
		for _, code := range shown.FindAllStringSubmatch(text, -1) {
			all[code[1]] = name
		}
	}
	return all
})

// For is the name of the runbook for the code of a refusal, a stop or a halt; empty: there is none.
// A runbook has the codes that stand in brackets under its "What you see".
func For(code string) string { return byCode()[code] }

// Line leads to the runbook of a code, on a line of its own; empty: there is none.
func Line(code string) string {
	if name := For(code); name != "" {
		return "Runbook: cohort runbook " + name + "\n"
	}
	return ""
}
