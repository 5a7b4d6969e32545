package run

import (
	"cmp"
	"context"
	"errors"

	"cohort/cmd/internal/intake"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
)

// resumeFolder goes on with the run in its folder.
func (s *Runner) ResumeFolder(ctx context.Context) error {
	planned, err := plan.Open(s.RunFolder)
	if errors.Is(err, plan.ErrNone) {
		s.resumed = true
		s.Call.SendAgain = cmp.Or(s.SendAgain, s.Call.SendAgain)
		return s.Send(ctx) // it was stopped before there was a plan
	}
	if err != nil {
		return runfolder.Damaged(err)
	}
	defer func() { _ = planned.Close() }()
	var copied bool
	if s.Campaign, s.CampaignText, copied, err = runfolder.ReadCampaign(s.RunFolder, s.Call); err != nil {
		return err
	}
	if copied {
		s.Log.Warn("the campaign file has gone; the copy in the run's folder is used", "was", s.Call.Campaign)
	}
	if err := intake.CanAlert(s.Campaign); err != nil {
		return err
	}
	s.Service, s.Id, s.Frozen = planned.Service, planned.Run, s.Campaign.Frozen()
	if s.Folder, err = runfolder.Hold(s.RunFolder, "resume", s.Network, s.Log); err != nil {
		return err
	}
	defer s.Folder.Release()
	defer s.End()
	return s.resume(ctx, planned)
}
