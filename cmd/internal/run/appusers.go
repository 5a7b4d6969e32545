package run

import (
	"errors"

	"cohort/cmd/internal/intake"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// fixReports fixes who has the NHS App before the run is prepared, so that a preparation
// that was killed and is made again tells the same of everybody.
func (s *Runner) fixReports() (err error) {
	if s.Campaign.Reach == nil {
		return nil
	}
	path := s.Folder.File(runfolder.UsersFile)
	if was, err := runfolder.ReadCall(s.Folder.Path); err == nil && was.Reach != "" {
		if x, err := reach.OpenFixed(path); err == nil && x.Digest == was.Reach {
			s.Log.Info("who has the NHS App is known from the preparation that was stopped", "as_of", x.Day)
			s.use(x)
			return nil
		}
	}
	day := intake.Today(s.Campaign, s.Log)
	_, err = day.Fix(path)
	if errors.Is(err, reach.ErrNone) && s.Call.Simulate {
		s.Log.Warn("who has the NHS App was not fetched today; in this rehearsal nobody knows it of anybody", "fetch_it_with", intake.ReachCommand(s.Campaign, s.Call.Cohort))
		return nil
	}
	if errors.Is(err, reach.ErrNone) {
		return refusal.New("reach_not_fetched", "problem", intake.Unfetched(day, s.Campaign, s.Call.Cohort))
	}
	if err != nil {
		return refusal.New("reach_not_saved", "cause", err)
	}
	x, err := reach.OpenFixed(path)
	if err != nil {
		return refusal.New("reach_unreadable", "cause", err)
	}
	s.use(x)
	return nil
}

func (s *Runner) use(x *reach.Fixed) {
	s.in.App.Reports, s.Call.Reach = x, x.Digest
	s.close = append(s.close, s.in.App.Close)
}
