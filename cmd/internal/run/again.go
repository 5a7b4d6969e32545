package run

import (
	"context"
	"errors"
	"os"
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
)

// planAgain decides whether the plan must be made again, because the call or the campaign has
// changed. That needs a run that never sent anything. If so it removes the plan.
func (s *send) planAgain(planned *plan.Plan, folded *ledger.Ledger) (bool, error) {
	r, call := s.run, s.run.Call
	if s.at.begun && !s.at.again || folded.Facts().Attempts > 0 || !folded.Facts().Recovered.IsZero() {
		if call.SendAgain != "" && planned.SendAgain == "" {
			return false, refusal.New("send_again_too_late")
		}
		if call.RestOf != "" && call.RestOf != planned.RestOf {
			return false, refusal.New("rest_of_too_late", "campaign", call.RestOf)
		}
		return false, nil
	}
	missing := slices.ContainsFunc(s.at.others, func(other register.Entry) bool {
		return !slices.ContainsFunc(planned.Earlier, func(e plan.EarlierRun) bool { return e.RunID == other.RunID })
	})
	sameCall := call.SendAgain == planned.SendAgain && call.RestOf == planned.RestOf
	if sameCall && campaign.Compare(planned.Frozen, r.Frozen) == nil && !(missing && call.NewCohort) {
		return false, nil
	}
	copied, err := r.copied(planned, folded)
	if err != nil {
		return false, err
	}
	if err := register.Admit(register.Standing{Folder: r.Folder.Path, Copied: copied}); err != nil {
		return false, err
	}
	r.Log.Info("nothing was sent by the plan that is there, and the call or the campaign has changed: it is made again", event.PlanAgain)
	for _, name := range []string{ledger.RevisionsFolder, ledger.LogFolder, plan.PlanFile} { // a log without a plan would look like a loss
		if err := os.RemoveAll(r.Folder.File(name)); err != nil {
			return false, refusal.New("plan_not_made_again", "cause", err)
		}
	}
	return true, nil
}

// begin prepares a run that has no plan yet, and sends it.
func (s *send) begin(ctx context.Context) error {
	next := &start{run: s.run, options: s.options, copy: s.reading.Copy}
	err := s.prepare(ctx, next)
	s.run.followUp.planned()
	if err != nil {
		if errors.As(err, new(*dispatch.Stopped)) {
			return &refusal.Ended{Err: err, Code: refusal.ExitStopped, Next: s.goOn()}
		}
		s.reading.Copy.Drop()
		s.run.Folder.Discard()
		return err
	}
	defer func() { _ = next.plan.Close() }()
	if next.plan.NeverAgain {
		if err := s.run.NoteWitness(next.plan, ""); err != nil {
			return err
		}
	}
	return next.dispatch(ctx)
}
