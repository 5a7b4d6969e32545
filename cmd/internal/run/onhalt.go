package run

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/output"
	"cohort/engine/dispatch"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// alert calls on_halt for a start that was refused, or met a defect, where no person sees it.
// A halt has called it already. It returns the error.
func (s *Runner) Alert(err error) error {
	end, stopped := (*refusal.Ended)(nil), (*dispatch.Stopped)(nil)
	if err == nil || s.attended || errors.As(err, &end) || errors.As(err, &stopped) {
		return err
	}
	if s.Campaign == nil { // nothing else was read yet
		s.Campaign, _, _, _ = runfolder.ReadCampaign(s.RunFolder, s.Call)
	}
	if s.Campaign != nil {
		s.onHalt(err.Error())
	}
	return err
}

// onHalt runs the campaign's command for halts, with the run's folder, which is empty as long
// as there is none, and the reason. The command does not see the campaign's secrets.
func (s *Runner) onHalt(why string) {
	command := s.Campaign.OnHalt
	if len(command) == 0 {
		return
	}
	folder := s.RunFolder
	if s.Folder != nil {
		folder = s.Folder.Path
	}
	if !output.IsFile(filepath.Join(folder, runfolder.RunFile)) {
		folder = ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), folder, refusal.OneLine(why))...)
	c.Stdout, c.Stderr = s.stderr, s.stderr
	secret := s.Campaign.SecretVariables()
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(secret, name)
	})
	if err := c.Run(); err != nil {
		s.Log.Error("the on_halt command failed", "command", command[0], "problem", err.Error())
	}
}
