package commandline

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cohort/engine/refusal"
)

// CampaignFlag adds --campaign, -c to a command.
func CampaignFlag(c *cobra.Command, path *string, usage string) {
	c.Flags().StringVarP(path, "campaign", "c", "", usage)
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
