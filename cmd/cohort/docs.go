package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"cohort/cmd/internal/commandline"
	"cohort/engine/build"
	"cohort/engine/refusal"
)

// docsCommand serves builders and packagers of cohort, so help does not list it.
func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "docs DIR",
		Short:  "Write commands.md, the man pages and the shell completions to a folder",
		Hidden: true,
		Args:   commandline.Arguments(cobra.ExactArgs(1)),
		RunE:   func(c *cobra.Command, args []string) error { return writeDocs(c.Root(), args[0]) },
	}
}

// writeDocs makes DIR and writes DIR/commands.md, DIR/man/*.1 and DIR/completions/cohort.{bash,zsh,fish}.
func writeDocs(root *cobra.Command, dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, folder := range []string{dir, man, completions} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return refusal.New("docs_folder_exists", "cause", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "commands.md"), commandsPage(root), 0o644); err != nil {
		return err
	}
	for _, write := range []func() error{
		func() error { return root.GenBashCompletionFileV2(filepath.Join(completions, "cohort.bash"), true) },
		func() error { return root.GenZshCompletionFile(filepath.Join(completions, "cohort.zsh")) },
		func() error { return root.GenFishCompletionFile(filepath.Join(completions, "cohort.fish"), true) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	keepColumns(root)
	return doc.GenManTree(root, &doc.GenManHeader{Title: "COHORT", Section: "1", Source: "cohort " + build.Version()}, man)
}

// commandsPage is docs/commands.md: the help of every command, as the program prints it.
func commandsPage(root *cobra.Command) []byte {
	var list, page bytes.Buffer
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if !sub.IsAvailableCommand() || sub.Name() == "help" {
				continue
			}
			if path := sub.CommandPath(); !sub.HasAvailableSubCommands() {
				fmt.Fprintf(&list, "| [`%s`](#%s) | %s |\n", path, strings.ReplaceAll(path, " ", "-"), sub.Short)
				fmt.Fprintf(&page, "\n## %s\n\n```\n%s```\n", path, helpOf(sub))
			}
			add(sub)
		}
	}
	add(root)
	return fmt.Appendf(nil, `# Commands

`+"`make docs`"+` writes this page from the program. Each section is what `+"`cohort COMMAND --help`"+` prints.
`+"`cohort docs DIR`"+` also writes man pages and completions for bash, zsh and fish.

| command | |
|---|---|
%s%s`, list.Bytes(), page.Bytes())
}

func helpOf(c *cobra.Command) string {
	var text bytes.Buffer
	c.SetOut(&text)
	_ = c.Help() // a buffer takes everything
	c.SetOut(nil)
	return text.String()
}

// keepColumns indents the tables in help texts by four, so that Markdown leaves their lines alone.
func keepColumns(c *cobra.Command) {
	var text strings.Builder
	inTable := false
	for line := range strings.Lines(c.Long) {
		indented := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, " 10")
		if indented != inTable {
			text.WriteString("\n")
		}
		if inTable = indented; indented {
			text.WriteString("    ")
		}
		text.WriteString(line)
	}
	c.Long = text.String()
	for _, sub := range c.Commands() {
		keepColumns(sub)
	}
}
