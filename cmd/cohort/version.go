package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/engine/audit"
	"cohort/engine/build"
	"cohort/engine/delivery"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/engine/register"
	"cohort/shard"
	"cohort/sinks/file"
)

// format is a kind of file that cohort keeps, and the numbers of its formats.
type format struct {
	Name   string `json:"format"`
	Writes int    `json:"writes"`
	Oldest int    `json:"reads_from"` // and all up to Writes
	Where  string `json:"where"`
}

// formats lists every format with a number. Each package says its own.
var formats = []format{
	{"log", journal.Version, journal.Version, "log/ and revisions/ of a run"},
	{"plan", plan.Version, plan.Oldest, "plan.json of a run"},
	{"spool", shard.Version, shard.Version, "spool/ of a run"},
	{"files", file.Version, file.Version, "files/manifest.json of a run"},
	{"inbox", delivery.Version, delivery.Version, "inbox/ of a run, and runs/.callbacks"},
	{"register", register.Version, register.Version, "register.jsonl of a register"},
	{"audit", audit.Version, audit.Version, "audit/ of a register"},
	{"reach", reach.Version, reach.Version, "reach/ of a register"},
}

// version has the facts that cohort version shows.
type version struct {
	build.Program
	Formats []format `json:"formats"`
}

// Print writes it for a person.
func (v version) Print(w io.Writer) {
	changed := ""
	if v.Modified {
		changed = ", with changes"
	}
	fmt.Fprintf(w, "cohort    %s\ncommit    %s%s, %s\ngo        %s, %s\n", v.Version,
		cmp.Or(v.Commit, "unknown"), changed, cmp.Or(v.Time, "time unknown"), v.Go, v.Platform)
	fmt.Fprintln(w, "format    writes  reads  where")
	for _, f := range v.Formats {
		reads := fmt.Sprint(f.Writes)
		if f.Oldest < f.Writes {
			reads = fmt.Sprintf("%d-%d", f.Oldest, f.Writes)
		}
		fmt.Fprintf(w, "%-8s  %6d  %5s  %s\n", f.Name, f.Writes, reads, f.Where)
	}
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Show the version and its commit, and the formats of files that it reads and writes",
		Long: `Version shows which program this is, and the number of each format that it writes and reads. A
file of a format that it does not read is refused, and nothing is sent.

Exit codes: 0 shown.
`,
		Args: commandline.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return commandline.Show(c, asJSON, version{build.Read(), formats})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}
