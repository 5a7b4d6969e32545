package run

import (
	"slices"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
)

// Asks is the command that asks the service what it has of the messages in doubt.
func (s *Runner) Asks() string { return refusal.Command("reconcile", s.Folder.Path) }

// MaySendAgain refuses where nothing more may be sent from this run: a decision to send again
// would be the only thing that makes a finished run send. people says which people it is about.
func (s *Runner) MaySendAgain(planned *plan.Plan, folded *ledger.Ledger, people string) error {
	if err := s.adopt(s.Folder.Path); err != nil {
		return err
	}
	reg, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	st := s.standing(reg, planned, folded)
	switch {
	case st.Facts.Foreign > 0:
		return refusal.New("foreign_undecided", "batches", st.Facts.Foreign, "command", refusal.Command("decide", s.Folder.Path))
	case folded.Hold != "":
		return refusal.New("nothing_sent_again_after_loss", "why", HoldWords(folded.Hold))
	case st.Facts.Superseded != "":
		return register.Admit(st)
	}
	for _, rival := range st.Rivals {
		if !slices.ContainsFunc(st.Planned, func(e plan.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return refusal.New("rival_may_have_reached", "run", rival.RunID, "folder", rival.Folder, "people", people)
		}
	}
	return register.Admit(st)
}

// MayDecide refuses where nothing may be decided about batches: in a copy of the folder, in an
// older state of it, and in a superseded run. Other runs of the campaign do not matter.
func (s *Runner) MayDecide(planned *plan.Plan, folded *ledger.Ledger) error {
	reg, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	st := s.standing(reg, planned, folded)
	st.Facts.Foreign, st.SendAgain = 0, true
	return register.Admit(st)
}

// BySettling refuses what a replay has to come before. It names the replay, or says that none can
// settle the messages in doubt any more.
func BySettling(dir string, planned *plan.Plan, now time.Time) error {
	if days := planned.Forgotten(now); days > 0 {
		return tooOld(dir, days)
	}
	return refusal.New("replay_settles", "command", refusal.Command("resume", dir, "--settle"))
}

func tooOld(dir string, days int) error {
	return refusal.New("plan_too_old", "days", days, "command", refusal.Command("report", dir))
}
