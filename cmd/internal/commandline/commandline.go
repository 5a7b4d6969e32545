// Package commandline checks what a person typed: arguments, flags and names of commands. It has the flags and the
// output that commands share.
package commandline

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/engine/refusal"
)

// FlagRefused is the refusal of a flag that the command line cannot have.
func FlagRefused(c *cobra.Command, err error) error {
	var (
		missing *pflag.ValueRequiredError
		wrong   *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &missing):
		return refusal.New("flag_value_missing", "flag", missing.GetFlag().Name, "command", c.CommandPath())
	case errors.As(err, &wrong):
		flag := wrong.GetFlag()
		return refusal.New("flag_value_wrong", "flag", flag.Name, "wanted", kinds[flag.Value.Type()], "value", wrong.GetValue(), "command", c.CommandPath())
	}
	if c.HasAvailableSubCommands() && c.Flags().NArg() > 0 { // a mistyped command, with its flags
		return unknownCommand(c, c.Flags().Arg(0))
	}
	return refusal.New("flag_wrong", "problem", err, "command", c.CommandPath())
}

// kinds names what a flag of each type takes.
var kinds = map[string]string{
	"bool": "true or false", "duration": "a duration such as 5m", "float64": "a number", "int": "a whole number",
	"uint64": "a whole number, 0 or more", "int64": "a whole number",
}

// Arguments wraps cobra's check of the arguments, so that a wrong call is a refusal
// that names the help. Every command has it, so it is also where flags are looked at.
func Arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := Swallowed(c); err != nil {
			return err
		}
		if check(c, args) == nil {
			return nil
		}
		for n, arg := range args {
			if check(c, args[:n]) == nil {
				return refusal.New("argument_too_many", "argument", arg, "usage", c.UseLine())
			}
		}
		return refusal.New("argument_missing", "usage", c.UseLine())
	}
}

// Choice makes a command one that only holds others: it shows its help, and refuses a name that
// none of them has.
func Choice(c *cobra.Command) {
	c.DisableFlagsInUseLine = true
	c.SuggestionsMinimumDistance = 2
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
}

// unknownCommand refuses a name that no command below c has, and names the nearest.
func unknownCommand(c *cobra.Command, given string) error {
	advice := "see: " + c.CommandPath() + " --help"
	if near := c.SuggestionsFor(given); len(near) > 0 {
		advice = "did you mean: " + c.CommandPath() + " " + strings.Join(near, ", "+c.CommandPath()+" ")
	}
	return refusal.New("unknown_command", "given", given, "advice", advice)
}

// Swallowed refuses a flag that took the next flag for its value: a send to a simulator, or a
// dry run, would otherwise be a real one. It also refuses -campaign, which reads as -c ampaign.
func Swallowed(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			name, _, _ := strings.Cut(strings.TrimPrefix(v, "--"), "=")
			isLong := strings.HasPrefix(v, "--") && c.Flags().Lookup(name) != nil
			isShort := len(v) == 2 && v[0] == '-' && c.Flags().ShorthandLookup(v[1:]) != nil
			if f.Shorthand != "" && c.Flags().Lookup(f.Shorthand+v) != nil {
				err = refusal.New("flag_with_one_dash", "flag", f.Shorthand+v)
			}
			if isLong || isShort {
				err = refusal.New("flag_without_value", "flag", f.Name, "next", v)
			}
		}
	})
	return err
}
