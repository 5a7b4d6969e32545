package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/run"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

func resumeCommand() *cobra.Command {
	var oneWindow, network, settle, oneApp bool
	var sendAgain string
	c := &cobra.Command{
		Use:   "resume DIR",
		Short: "Go on with a run, from its folder alone",
		Long: `Resume goes on with the run in a folder: what was in doubt is replayed first, and then
what was not sent yet. The campaign file is read again where it was; if it has gone, the
copy in the folder serves. The cohort file is not needed, unless the run was stopped before
its plan was sealed.

What another campaign has sent since the plan was made is compared with what is left to send.
If people would get the same words with the same values twice, nothing is sent (exit 10)
unless --send-again says why they should.

Exit codes:
` + exitCodes,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := runfolder.Absolute(args[0])
			if err != nil {
				return err
			}
			if c.Flags().Changed("send-again") && strings.TrimSpace(sendAgain) == "" {
				return refusal.New("send_again_without_reason")
			}
			s := run.Runner{SendAgain: sendAgain, OneWindow: oneWindow, Network: network, Settle: settle, OneApp: oneApp, RunFolder: path, Runs: filepath.Dir(path), Words: []string{"resume", path}}
			s.Open(c)
			return s.Alert(s.ResumeFolder(c.Context()))
		},
	}
	c.Flags().BoolVar(&oneWindow, "one-window", false, "end with the window (exit 3) instead of waiting for the next")
	c.Flags().BoolVar(&settle, "settle", false, "replay what is in doubt, and send nothing else (exit 3 when something is left to send)")
	c.Flags().BoolVar(&oneApp, "one-application", false, oneApplicationHelp)
	c.Flags().StringVar(&sendAgain, "send-again", "", "send what is left also to people whom another campaign has reached since; takes the `reason`, which is recorded")
	c.Flags().BoolVar(&network, "allow-network-folder", false, networkHelp)
	return c
}
