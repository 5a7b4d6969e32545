package run

import (
	"context"
	"os"
	"path/filepath"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/terminal"
	"cohort/engine/dispatch"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// sweep removes what sends that were killed have left of standard input where this one
// would put its own.
func (s *Runner) sweep() {
	if s.RunFolder == "" {
		intake.SweepStdin(s.Runs, s.Log)
		return
	}
	intake.SweepStdin(filepath.Dir(s.RunFolder), s.Log)
	intake.SweepStdin(s.RunFolder, s.Log)
}

// receive copies standard input to where the run's folder will be. A run that was stopped
// before it had a plan has its copy there already.
func (s *Runner) receive(ctx context.Context) (err error) {
	if s.resumed {
		path := filepath.Join(s.RunFolder, runfolder.StdinFile)
		if _, err := os.Stat(path); err != nil {
			return refusal.New("stdin_copy_gone", "folder", s.RunFolder, "command", s.sendCommand())
		}
		s.in.Paths, s.in.Stdin = []string{path}, true
		return nil
	}
	dir := s.Runs
	if s.RunFolder != "" {
		// It may be a filesystem of its own, so the copy is made inside when it is there.
		dir = filepath.Dir(s.RunFolder)
		if _, err := os.Stat(s.RunFolder); err == nil {
			if err := runfolder.CheckFolder(s.RunFolder); err != nil {
				return err
			}
			dir = s.RunFolder
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return refusal.New("stdin_not_saved", "cause", err)
	}
	if s.piped, err = intake.NewStdin(dir); err != nil {
		return refusal.New("stdin_not_saved", "cause", err)
	}
	terminal.PartWith(ctx, s.again())
	shown := s.screen.Follow("taking standard input", 0, s.piped.Read.Load)
	defer shown()
	s.in.Paths, s.in.Stdin = []string{s.piped.Path}, true
	return s.piped.Take(ctx, s.stdin, "send")
}

// keep gives the copy of standard input its place in the run's folder, from where a run
// that is stopped before it has a plan can go on.
func (s *Runner) keep(ctx context.Context) (err error) {
	if s.piped == nil {
		return nil
	}
	path := s.Folder.File(runfolder.StdinFile)
	if err := s.piped.MoveTo(path); err != nil {
		return refusal.New("stdin_copy_not_moved", "cause", err)
	}
	terminal.PartWith(ctx, s.GoOn())
	s.in.Paths = []string{path}
	s.reader, err = intake.OpenCohort(ctx, s.Campaign, s.in)
	if ctx.Err() != nil {
		return &dispatch.Stopped{Code: "signal", Why: "stopped while preparing; nothing was sent"}
	}
	return err
}

// sendCommand is the send that the run's folder remembers.
func (s *Runner) sendCommand() string {
	words := append([]string{"send", "-c", s.Call.Campaign}, append(s.Call.Cohort, "--run="+s.RunFolder)...)
	if s.Call.Simulate {
		words = append(words, "--simulate")
	}
	if s.Call.NewCohort {
		words = append(words, "--new-cohort")
	}
	if s.Call.RestOf != "" {
		words = append(words, "--rest-of="+s.Call.RestOf)
	}
	if s.Call.SendAgain != "" {
		words = append(words, "--send-again="+s.Call.SendAgain)
	}
	return refusal.Command(words...)
}
