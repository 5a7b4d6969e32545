package main

import (
	"context"
	"os"
	"path/filepath"

	"cohort/engine/dispatch"
	"cohort/engine/refusal"
)

// sweep removes what sends that were killed have left of standard input where this one
// would put its own.
func (s *session) sweep() {
	if s.runFolder == "" {
		sweepStdin(s.runs, s.log)
		return
	}
	sweepStdin(filepath.Dir(s.runFolder), s.log)
	sweepStdin(s.runFolder, s.log)
}

// receive copies standard input to where the run's folder will be. A run that was stopped
// before it had a plan has its copy there already.
func (s *session) receive(ctx context.Context) (err error) {
	if s.resumed {
		path := filepath.Join(s.runFolder, stdinFile)
		if _, err := os.Stat(path); err != nil {
			return refusal.New("the run was given its cohort on standard input, and no copy of it is kept in %s; give it again: %s", s.runFolder, s.sendCommand())
		}
		s.in.paths, s.in.stdin = []string{path}, true
		return nil
	}
	dir := s.runs
	if s.runFolder != "" {
		// It may be a filesystem of its own, so the copy is made inside when it is there.
		dir = filepath.Dir(s.runFolder)
		if _, err := os.Stat(s.runFolder); err == nil {
			if err := checkFolder(s.runFolder); err != nil {
				return err
			}
			dir = s.runFolder
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return refusal.New("standard input cannot be kept: %w", err)
	}
	if s.piped, err = newPiped(dir); err != nil {
		return refusal.New("standard input cannot be kept: %w", err)
	}
	partWith(ctx, s.again())
	shown := s.screen.follow("taking standard input", 0, s.piped.read.Load)
	defer shown()
	s.in.paths, s.in.stdin = []string{s.piped.path}, true
	return s.piped.take(ctx, s.stdin, "send")
}

// keep gives the copy of standard input its place in the run's folder, from where a run
// that is stopped before it has a plan can go on.
func (s *session) keep(ctx context.Context) (err error) {
	if s.piped == nil {
		return nil
	}
	path := s.folder.file(stdinFile)
	if err := s.piped.moveTo(path); err != nil {
		return refusal.New("the copy of standard input cannot be put into the run's folder: %w", err)
	}
	partWith(ctx, s.goOn())
	s.in.paths = []string{path}
	s.reader, err = openCohort(ctx, s.campaign, s.in)
	if ctx.Err() != nil {
		return &dispatch.Stopped{Why: "stopped while preparing; nothing was sent"}
	}
	return err
}

// sendCommand is the send that the run's folder remembers.
func (s *session) sendCommand() string {
	words := append([]string{"send", "-c", s.call.Campaign}, append(s.call.Cohort, "--run="+s.runFolder)...)
	if s.call.Simulate {
		words = append(words, "--simulate")
	}
	if s.call.NewCohort {
		words = append(words, "--new-cohort")
	}
	if s.call.RestOf != "" {
		words = append(words, "--rest-of="+s.call.RestOf)
	}
	if s.call.SendAgain != "" {
		words = append(words, "--send-again="+s.call.SendAgain)
	}
	return refusal.Command(words...)
}
