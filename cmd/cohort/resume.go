package main

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cohort/engine/plan"
	"cohort/engine/refusal"
)

func resumeCommand() *cobra.Command {
	var oneWindow, network, settle bool
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
			path, err := absolute(args[0])
			if err != nil {
				return err
			}
			if c.Flags().Changed("send-again") && strings.TrimSpace(sendAgain) == "" {
				return refusal.New("--send-again needs a reason")
			}
			s := session{sendAgain: sendAgain, oneWindow: oneWindow, network: network, settle: settle, runFolder: path, runs: filepath.Dir(path), words: []string{"resume", path}}
			s.open(c)
			return s.alert(s.resumeFolder(c.Context()))
		},
	}
	c.Flags().BoolVar(&oneWindow, "one-window", false, "end with the window (exit 3) instead of waiting for the next")
	c.Flags().BoolVar(&settle, "settle", false, "replay what is in doubt, and send nothing else (exit 3 when something is left to send)")
	c.Flags().StringVar(&sendAgain, "send-again", "", "send what is left also to people whom another campaign has reached since; takes the `reason`, which is recorded")
	c.Flags().BoolVar(&network, "allow-network-folder", false, networkHelp)
	return c
}

// resumeFolder goes on with the run in its folder.
func (s *session) resumeFolder(ctx context.Context) error {
	var err error
	if s.call, err = readCall(s.runFolder); err != nil {
		return err
	}
	planned, err := plan.Open(s.runFolder)
	if errors.Is(err, plan.ErrNone) {
		s.resumed = true
		s.call.SendAgain = cmp.Or(s.sendAgain, s.call.SendAgain)
		return s.send(ctx) // it was stopped before there was a plan
	}
	if err != nil {
		return damaged(err)
	}
	defer func() { _ = planned.Close() }()
	var copied bool
	if s.campaign, s.campaignText, copied, err = readCampaign(s.runFolder, s.call); err != nil {
		return err
	}
	if copied {
		s.log.Warn("the campaign file has gone; the copy in the run's folder is used", "was", s.call.Campaign)
	}
	if err := canAlert(s.campaign); err != nil {
		return err
	}
	s.service, s.id, s.frozen = planned.Service, planned.Run, s.campaign.Frozen()
	if s.folder, err = holdFolder(s.runFolder, "resume", s.network, s.log); err != nil {
		return err
	}
	defer s.folder.release()
	defer s.end()
	return s.resume(ctx, planned)
}
