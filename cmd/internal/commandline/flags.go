package commandline

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cohort/engine/refusal"
)

// CampaignFlag adds --campaign, -c to a command.
func CampaignFlag(c *cobra.Command, path *string, usage string) {
	c.Flags().StringVarP(path, "campaign", "c", "", usage)
}

// logFormat is the value of --log-format. WantsJSON has looked at it before flags are read, so that a wrong call is
// refused in its format too.
type logFormat string

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "text|json" }
func (f *logFormat) Set(text string) error {
	if text != "text" && text != "json" {
		return errors.New("text or json")
	}
	*f = logFormat(text)
	return nil
}

// LogFlag adds --log-format to a command.
func LogFlag(c *cobra.Command) {
	format := logFormat("text")
	c.Flags().Var(&format, "log-format", "the form of standard error: text, or json for one object a line (docs/logs.md)")
}

// WantsJSON reports whether arguments ask for a log in JSON.
func WantsJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--log-format=json" || arg == "--log-format" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// CohortArguments wants at least one cohort. Where there is none, it looks whether the flag that
// takes a file took the cohort.
func CohortArguments(flag string) cobra.PositionalArgs {
	wanted := Arguments(cobra.MinimumNArgs(1))
	return func(c *cobra.Command, args []string) error {
		err := wanted(c, args)
		taken := c.Flags().Lookup(flag).Value.String()
		if len(args) > 0 || taken == "" || strings.HasPrefix(taken, "-") {
			return err
		}
		return refusal.New("flag_took_cohort", "flag", flag, "value", taken, "verb", c.Name())
	}
}

// Show prints a result: for people, or as JSON for programs.
func Show(c *cobra.Command, asJSON bool, result interface{ Print(io.Writer) }) error {
	if !asJSON {
		result.Print(c.OutOrStdout())
		return nil
	}
	out := json.NewEncoder(c.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(result)
}
