package run

import (
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
)

// mayRetry refuses where nothing more may be sent from this run: a retry would be the only
// thing that makes a finished run send again. whom says to whom.
func (s *Runner) MayRetry(planned *plan.Plan, ledger *ledger.Ledger, whom string) error {
	if err := campaign.Compare(planned.Frozen, s.Campaign.Frozen()); err != nil {
		return refusal.New("setting_changed", "cause", err)
	}
	if err := s.adopt(s.Folder.Path); err != nil {
		return err
	}
	reg, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	st := s.standing(reg, planned, ledger)
	switch {
	case st.Facts.Foreign > 0:
		return refusal.New("foreign_undecided", "batches", st.Facts.Foreign, "command", refusal.Command("recover", s.Folder.Path))
	case ledger.Facts().Hold != "":
		return refusal.New("nothing_sent_again_after_loss", "why", HoldWords(ledger.Facts().Hold))
	case st.Facts.Superseded != "":
		return register.Admit(st)
	}
	for _, rival := range st.Rivals {
		if !slices.ContainsFunc(st.Planned, func(e plan.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return refusal.New("rival_may_have_reached", "run", rival.RunID, "folder", rival.Folder, "people", whom)
		}
	}
	return register.Admit(st)
}
