package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cohort/engine"
	"cohort/engine/register"
	"cohort/ingest"
)

// identify reads the cohort file once to know which run this is.
func (s *session) identify(ctx context.Context) error {
	sum, size, err := ingest.Digest(ctx, s.call.Cohort)
	if ctx.Err() != nil {
		return &ended{errors.New("stopped before anything was sent"), exitStopped,
			fmt.Sprintf("cohort send -c %s %s", shellWord(s.call.Campaign), shellWord(s.call.Cohort))}
	}
	if err != nil {
		return refuse("the cohort file cannot be read: %w", err)
	}
	s.digest = sum
	s.cohort = engine.CohortFile{Path: s.call.Cohort, SHA256: fmt.Sprintf("%x", sum), Bytes: size}
	if want := s.campaign.Cohort.Expect.SHA256; want != "" && want != s.cohort.SHA256 {
		return refuse("the cohort file is not the one that cohort.expect.sha256 names; it has SHA-256 %s", s.cohort.SHA256)
	}
	s.service = s.campaign.ServiceID(s.call.Simulate)
	s.id = engine.NewRunID(s.campaign.Name, sum, s.service)
	s.call.RunID = s.id.String()
	return nil
}

// locate asks the register where the run lives, if it was begun before, and which
// other runs of the campaign there are.
func (s *session) locate() (path string, others []register.Entry, err error) {
	path = filepath.Join(s.runs, s.campaign.Name+"-"+s.id.Short())
	if s.runFolder != "" {
		path = s.runFolder
	}
	r, err := register.Open(s.campaign.Register)
	if err != nil {
		return "", nil, refuse("%w", err)
	}
	defer func() { _ = r.Close() }()
	entry, begun := r.Run(s.id.String())
	if !begun {
		// Its plan, if there is one, says which runs it has taken into account; register
		// looks again before anything is sent.
		var known []engine.EarlierRun
		if plan, err := engine.OpenPlan(path); err == nil {
			known = plan.Earlier
			_ = plan.Close()
		}
		others, err = checkRegister(r, s.id, s.campaign.Name, s.service, known, s.call.NewCohort || s.call.SendAgain != "")
		return path, others, err
	}
	if _, err := os.Stat(entry.Folder); err != nil {
		if s.call.SendAgain != "" {
			return path, nil, nil
		}
		return "", nil, refuse("this run was begun on %s in %s, and that folder is not there; bring it back and nobody is sent to twice, or give --send-again and a reason", entry.Host, entry.Folder)
	}
	if s.runFolder != "" && s.runFolder != entry.Folder {
		return "", nil, refuse("this run lives in %s; leave --run out, or: cohort resume %s", entry.Folder, shellWord(entry.Folder))
	}
	return entry.Folder, nil, nil
}

// register notes the run's state, having looked once more whether another run stands
// in the way.
func (s *session) register(plan *engine.Plan, state register.State) error {
	r, err := register.Open(s.campaign.Register)
	if err != nil {
		return refuse("%w", err)
	}
	defer func() { _ = r.Close() }()
	if _, err := checkRegister(r, plan.Run, plan.Campaign, plan.Service, plan.Earlier, plan.SendAgain != ""); err != nil {
		return err
	}
	if entry, ok := r.Run(plan.RunID); ok && entry.State == state && entry.Folder == s.folder.path {
		return nil
	}
	for _, e := range plan.Earlier {
		if entry, ok := r.Run(e.RunID); ok && entry.State == register.Begun {
			entry.State, entry.Note = register.Superseded, "by "+plan.RunID
			if err := r.Record(entry); err != nil {
				return refuse("%w", err)
			}
		}
	}
	err = r.Record(register.Entry{
		RunID: plan.RunID, Campaign: plan.Campaign, Service: plan.Service, CohortSHA256: plan.Cohort.SHA256,
		Folder: s.folder.path, State: state, Note: plan.SendAgain,
	})
	if err != nil {
		return refuse("%w", err)
	}
	return nil
}
