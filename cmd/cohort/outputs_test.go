package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/engine/refusal"
)

// outputs lists the flags that name an output, by command and flag. In call, OUT stands for the
// name. made is an earlier output of the same command.
var outputs = map[string]struct {
	call  string
	made  string
	force bool // there is a --force, and the call comes to its end here
}{
	"generate --output":        {call: "generate -n 5 -o OUT", force: true},
	"report --output":          {call: "report run -o OUT", force: true},
	"check --rejects":          {call: "check -c campaign.yaml cohort.csv --rejects OUT", made: "row,file,line,code,reason\n1,a.csv,2,duplicate,so it is\n", force: true},
	"send --dry-run":           {call: "send -c campaign.yaml cohort.csv --dry-run OUT"},
	"reconcile --fallback":     {call: "reconcile run --fallback OUT"},
	"simulate --state":         {call: "simulate --listen 127.0.0.1:0 --state OUT"},
	"auth keygen --out":        {call: "auth keygen --key-id OUT --out ."},
	"send --metrics-file":      {call: "send -c other.yaml cohort.csv --simulate --run other --metrics-file OUT"},
	"resume --metrics-file":    {call: "resume run --metrics-file OUT"},
	"callbacks --metrics-file": {call: "callbacks -c campaign.yaml --listen 127.0.0.1:0 --metrics-file OUT"},
	"status --metrics-file":    {call: "status run --serve 127.0.0.1:0 --metrics-file OUT"},
	"send --run":               {call: "send -c other.yaml cohort.csv --simulate --run OUT"},

	"simulate --callback-log": {call: "simulate --listen 127.0.0.1:0 --callbacks http://127.0.0.1:1 --callback-log OUT"},
}

// notOutputs lists the other flags with a text: they name an input, a folder for new files, or
// nothing on a disk.
var notOutputs = "by campaign cohort format nhs-number only received reference rule daily-report resend-in-doubt reason code foreign held check faults callbacks callback-target callback-faults listen patients jwks tls-cert tls-key" +
	" profile metrics runs serve send-again rest-of acknowledgement dir key-id finish-by"

// A command overwrites only its own files. A new flag belongs in one of the two lists above.
func TestCommandsOverwriteOnlyTheirOwnFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		Must(0, os.WriteFile(name, []byte(text), 0o600))
	}
	write("campaign.yaml", campaignOf(""))
	write("other.yaml", strings.Replace(campaignOf(""), "fixture-files", "another", 1))
	for _, line := range []string{"generate -n 20 -o cohort.csv", "send -c campaign.yaml cohort.csv --simulate --run run"} {
		if err := called(t, line); err != nil {
			t.Fatal(err)
		}
	}
	// A bit of everything that may lie about; the last two look a little like a simulator's state.
	others := []string{"precious\n", "row,file,line\n", "no line end", "{}\n", "{\"a\":1}\n{\"applica"}
	for name, o := range outputs {
		for i, other := range others {
			Must(0, os.Mkdir("aside", 0o700))
			out := filepath.Join("aside", "x.pem")
			suffixes := []string{"", ".tmp"}
			switch name {
			case "auth keygen --out":
				o.call, suffixes = strings.Replace(o.call, "--key-id OUT --out .", "--key-id x --out aside", 1), suffixes[:1]
			case "simulate --state", "simulate --callback-log":
				suffixes = suffixes[:1] // they are written bit by bit
			case "send --metrics-file", "resume --metrics-file", "callbacks --metrics-file":
				out, suffixes = filepath.Join("aside", "x.prom"), suffixes[:1] // another name is refused as such
			case "send --run":
				o.call, suffixes = strings.Replace(o.call, "OUT", "aside", 1), []string{"/../run.json", "/../campaign.yaml"}
			}
			for _, suffix := range suffixes {
				at := filepath.Clean(out + suffix)
				write(at, other)
				err := called(t, strings.ReplaceAll(o.call, "OUT", out))
				if text := string(Must(os.ReadFile(at))); refusal.Code(err) == "" || text != other {
					t.Errorf("%s over %q: %v; it is now %.40q", name, other, err, text)
				}
				if there := Must(os.ReadDir("aside")); len(there) != 1 {
					t.Errorf("%s over %q: the folder has %v", name, other, there)
				}
				Must(0, os.Remove(at))
			}
			if o.made != "" && i == 0 {
				write(out, o.made)
				if err := called(t, strings.ReplaceAll(o.call, "OUT", out)); err != nil || string(Must(os.ReadFile(out))) == o.made {
					t.Errorf("%s over what it made itself: %v", name, err)
				}
			}
			if o.force {
				write(out, other)
				if err := called(t, strings.ReplaceAll(o.call, "OUT", out)+" --force"); err != nil || string(Must(os.ReadFile(out))) == other {
					t.Errorf("%s --force over %q: %v", name, other, err)
				}
			}
			Must(0, os.RemoveAll("aside"))
		}
	}
}

// Every flag with a text is known to be an output or not.
func TestEveryFlagIsKnownAsOutputOrNot(t *testing.T) {
	known := map[string]bool{}
	for _, name := range strings.Fields(notOutputs) {
		known[name] = true
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			name := strings.TrimPrefix(c.CommandPath(), "cohort ") + " --" + f.Name
			_, isOutput := outputs[name]
			if strings.HasPrefix(f.Value.Type(), "string") && !isOutput && !known[f.Name] {
				t.Errorf("is %s an output? put it into one of the lists", name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand())
}

// called runs a command in this process.
func called(t *testing.T, line string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // a simulator that begins to serve would go on
	defer cancel()
	root := rootCommand()
	root.SetArgs(strings.Fields(line))
	root.SetOut(new(strings.Builder))
	root.SetErr(new(strings.Builder))
	return root.ExecuteContext(ctx)
}
