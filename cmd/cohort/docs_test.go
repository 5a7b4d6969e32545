package main

import (
	"os"
	"path/filepath"
	"testing"
)

const docsFolder = "../../docs"

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheCommandsPageIsWhatTheProgramPrints(t *testing.T) {
	if page(t, filepath.Join(docsFolder, "commands.md")) != string(commandsPage(rootCommand())) {
		t.Error("docs/commands.md is stale; run: make docs")
	}
}

// A packager calls cohort docs; help does not list it.
func TestDocsWritesManPagesAndCompletions(t *testing.T) {
	dir := t.TempDir()
	if err := writeDocs(rootCommand(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"commands.md", "man/cohort-send.1", "man/cohort-log-verify.1",
		"completions/cohort.bash", "completions/cohort.zsh", "completions/cohort.fish"} {
		if page(t, filepath.Join(dir, name)) == "" {
			t.Errorf("%s is empty", name)
		}
	}
}
