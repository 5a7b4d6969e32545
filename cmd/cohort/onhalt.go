package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/refusal"
)

// canAlert refuses a campaign whose on_halt command is not on this machine.
func canAlert(c *campaign.Campaign) error {
	if len(c.OnHalt) == 0 {
		return nil
	}
	if _, err := exec.LookPath(c.OnHalt[0]); err != nil {
		return refusal.New("%w", c.Mistake("on_halt", fmt.Sprintf("names a program that cannot be run: %v; name one that is there, or take on_halt out", err)))
	}
	return nil
}

// alert calls on_halt for a start that was refused, or met a defect, where no person sees it.
// A halt has called it already. It returns the error.
func (s *session) alert(err error) error {
	end, stopped := (*refusal.Ended)(nil), (*dispatch.Stopped)(nil)
	if err == nil || s.attended || errors.As(err, &end) || errors.As(err, &stopped) {
		return err
	}
	if s.campaign == nil { // nothing else was read yet
		s.campaign, _, _, _ = readCampaign(s.runFolder, s.call)
	}
	if s.campaign != nil {
		s.onHalt(err.Error())
	}
	return err
}

// onHalt runs the campaign's command for halts, with the run's folder, which is empty as long
// as there is none, and the reason. The command does not see the campaign's secrets.
func (s *session) onHalt(why string) {
	command := s.campaign.OnHalt
	if len(command) == 0 {
		return
	}
	folder := s.runFolder
	if s.folder != nil {
		folder = s.folder.path
	}
	if !isFile(filepath.Join(folder, runFile)) {
		folder = ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), folder, refusal.OneLine(why))...)
	c.Stdout, c.Stderr = s.stderr, s.stderr
	secret := s.campaign.SecretVariables()
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(secret, name)
	})
	if err := c.Run(); err != nil {
		s.log.Error("the on_halt command failed", "command", command[0], "problem", err.Error())
	}
}

// atTerminal reports whether one of the streams is a terminal.
func atTerminal(streams ...any) bool {
	return slices.ContainsFunc(streams, func(s any) bool {
		f, ok := s.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	})
}
