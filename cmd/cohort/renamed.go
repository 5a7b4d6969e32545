package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/repair"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// renamed refuses an old command and names the new one, which does the same.
func renamed(old, dir string, d repair.Decision) error {
	return refusal.New("command_renamed", "old", old, "command", repair.Command(found(dir), d))
}

// found is the path of the run's folder that a person names, or the name itself if there is none.
func found(name string) string {
	if dir, _, err := runfolder.Find(name); err == nil {
		return dir
	}
	return name
}

// oldRetry is the former name of "decide DIR refused again".
func oldRetry() *cobra.Command {
	d := repair.Decision{What: "refused again"}
	c := &cobra.Command{
		Use: "retry DIR", Short: "Now: cohort decide DIR refused again", Hidden: true, Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return renamed("retry", args[0], d) },
	}
	c.Flags().Bool("refused", false, "")
	c.Flags().Bool("allow-network-folder", false, "")
	c.Flags().StringSliceVar(&d.Codes, "code", nil, "")
	c.Flags().StringVar(&d.Reason, "reason", "", "")
	c.Flags().BoolVar(&d.DryRun, "dry-run", false, "")
	return c
}

// oldStat is the former command that measured a log. "log verify" measures it now.
func oldStat() *cobra.Command {
	return &cobra.Command{
		Use: "stat DIR", Short: "Now: cohort log verify DIR", Hidden: true, Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return refusal.New("command_renamed", "old", "log stat", "command", refusal.Command("log", "verify", found(args[0])))
		},
	}
}

// oldResend adds the former flags of "decide DIR in-doubt again" to reconcile. It returns a
// function that refuses a call with one of them.
func oldResend(c *cobra.Command) func(dir string) error {
	d := repair.Decision{What: "in-doubt again"}
	c.Flags().StringVar(&d.Reason, "resend-in-doubt", "", "")
	c.Flags().BoolVar(&d.DryRun, "dry-run", false, "")
	return oldFlags(c, func(dir string) error { return renamed("reconcile --resend-in-doubt", dir, d) }, "resend-in-doubt", "dry-run")
}

// oldRecover adds the former flags of "decide DIR foreign" and "decide DIR held" to recover. It
// returns a function that refuses a call with one of them.
func oldRecover(c *cobra.Command) func(dir string) error {
	var foreign, held, reason string
	c.Flags().StringVar(&foreign, "foreign", "", "")
	c.Flags().StringVar(&held, "held", "", "")
	c.Flags().StringVar(&reason, "reason", "", "")
	return oldFlags(c, func(dir string) error {
		if held != "" {
			return renamed("recover --held", dir, repair.Decision{What: "held " + held, Reason: reason})
		}
		return renamed("recover --foreign", dir, repair.Decision{What: "foreign " + foreign, Reason: reason})
	}, "foreign", "held", "reason")
}

// oldFlags hides flags. It returns a function that refuses a call with one of them.
func oldFlags(c *cobra.Command, refuse func(dir string) error, names ...string) func(dir string) error {
	for _, name := range names {
		c.Flags().Lookup(name).Hidden = true
	}
	return func(dir string) error {
		for _, name := range names {
			if c.Flags().Changed(name) {
				return refuse(dir)
			}
		}
		return nil
	}
}
