package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/engine/refusal"
)

// campaignFile is the value of the flag --campaign, -c.
type campaignFile string

func (c *campaignFile) String() string { return string(*c) }
func (c *campaignFile) Type() string   { return "file" }

// Set refuses what remains of "-campaign", which is "-c ampaign" to a parser of flags.
func (c *campaignFile) Set(text string) error {
	if strings.HasPrefix(text, "ampaign") {
		return errors.New("write --campaign, with two dashes")
	}
	*c = campaignFile(text)
	return nil
}

// campaignFlag adds --campaign, -c to a command.
func campaignFlag(f *pflag.FlagSet, path *string, usage string) {
	f.VarP((*campaignFile)(path), "campaign", "c", usage)
}

// cohortArguments wants at least one cohort. Where there is none, it looks whether the flag that
// takes a file took the cohort.
func cohortArguments(flag string) cobra.PositionalArgs {
	wanted := arguments(cobra.MinimumNArgs(1))
	return func(c *cobra.Command, args []string) error {
		err := wanted(c, args)
		taken := c.Flags().Lookup(flag).Value.String()
		if len(args) > 0 || taken == "" || strings.HasPrefix(taken, "-") {
			return err
		}
		return refusal.New("flag_took_cohort", "flag", flag, "value", taken, "verb", c.Name())
	}
}
