package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/run"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func resumeCommand() *cobra.Command {
	var network bool
	var o run.Options
	c := &cobra.Command{
		Use:   "resume DIR",
		Short: "Go on with a run, from its folder alone",
		Long: `Resume goes on with the run in a folder. It first replays the messages in doubt, and then sends
the rest. It reads the campaign file again, or the folder's copy if the file has gone. It needs
the cohort file only if the run was stopped before its plan was sealed.

Other campaigns may have sent messages since the plan was made. If people would get the same
words with the same values twice, nothing is sent (exit 10), unless --send-again has a reason.

Exit codes:
` + exitCodes,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			path, call, err := runfolder.Find(args[0])
			if err != nil {
				return err
			}
			if c.Flags().Changed("send-again") && strings.TrimSpace(o.SendAgain) == "" {
				return refusal.New("send_again_without_reason")
			}
			s := run.Runner{Call: call, Network: network, RunFolder: path, Runs: filepath.Dir(path)}
			o.Words = []string{"resume", path}
			s.Open(c)
			end, err := s.Export(o.Metrics)
			if err != nil {
				return err
			}
			defer end()
			return s.Alert(s.ResumeFolder(c.Context(), o))
		},
	}
	c.Flags().BoolVar(&o.OneWindow, "one-window", false, "end with the window (exit 3) instead of waiting for the next")
	c.Flags().BoolVar(&o.Settle, "settle", false, "replay what is in doubt, and send nothing else (exit 3 when something is left to send)")
	c.Flags().BoolVar(&o.OneApplication, "one-application", false, oneApplicationHelp)
	c.Flags().StringVar(&o.SendAgain, "send-again", "", "send the rest also to people that another campaign has reached since; takes the `reason`, which is recorded")
	o.Metrics.Flags(c.Flags())
	c.Flags().BoolVar(&network, "allow-network-folder", false, networkHelp)
	return c
}
