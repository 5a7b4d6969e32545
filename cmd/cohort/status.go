package main

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/metrics"
	"cohort/cmd/internal/page"
	"cohort/cmd/internal/status"
	"cohort/engine/event"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func statusCommand() *cobra.Command {
	var asJSON, watching, levers bool
	var serve, runs string
	var figures metrics.Options
	c := &cobra.Command{
		Use:   "status DIR | --runs DIR --serve ADDRESS",
		Short: "Show the state of a run, while it runs or after",
		Long: `Status reads the progress log and counts the fates. It does not disturb a run at work. Requests
under way count as in doubt until they are answered.

With --serve it shows the run in a browser, until Ctrl-C. With --runs instead of DIR that is a page
of all runs in a folder, and each has its own. The pages can only look, and nobody in a cohort is on
them. --levers adds pause, continue, pace and stop, for one browser on this machine: the printed
address has a token, which works once.

` + showCodes,
		Example: `  cohort status runs/winter-2026-11-1a2b3c4d
  cohort status runs/winter-2026-11-1a2b3c4d --serve 127.0.0.1:8800 --levers
  cohort status --runs runs --serve 127.0.0.1:8800`,
		Args: commandline.Arguments(func(c *cobra.Command, args []string) error {
			if runs != "" {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		}),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case serve == "" && (runs != "" || levers || figures != metrics.Options{}), serve != "" && (asJSON || watching):
				return refusal.New("status_not_served")
			case runs != "":
				return servePage(c, figures, metrics.Under(runs), func() error {
					return page.Serve(c.Context(), serve, status.NewLister(runs), false, levers, c.OutOrStdout())
				})
			}
			dir, _, err := runfolder.Find(args[0])
			if err != nil {
				return err
			}
			if serve != "" {
				return servePage(c, figures, metrics.Folders(func() []string { return []string{dir} }), func() error {
					return page.Serve(c.Context(), serve, status.ListerOf(dir), true, levers, c.OutOrStdout())
				})
			}
			if watching {
				return status.Watch(c.Context(), dir, asJSON, c.OutOrStdout())
			}
			s, err := status.Read(c.Context(), dir)
			if err != nil {
				return err
			}
			return commandline.Show(c, asJSON, s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	c.Flags().BoolVar(&watching, "watch", false, "show it every second, until Ctrl-C or until no process is at work")
	c.Flags().StringVar(&serve, "serve", "", "show it in a browser, at this `address` of this machine")
	c.Flags().StringVar(&runs, "runs", "", "with --serve: all runs in this `folder`")
	c.Flags().BoolVar(&levers, "levers", false, "with --serve: pause, continue, pace and stop, for one browser on this machine")
	figures.Flags(c.Flags())
	return c
}

// servePage exports the metrics of runs while a page serves.
func servePage(c *cobra.Command, o metrics.Options, runs metrics.Source, serve func() error) error {
	exporter, err := o.Start(event.Log(c.Context(), c.ErrOrStderr()))
	if err != nil {
		return err
	}
	defer exporter.Close()
	exporter.Show(runs)
	return serve()
}
