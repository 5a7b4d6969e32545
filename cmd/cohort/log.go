package main

import (
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

func logCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Check, show or measure the progress log of a run",
		Long: `The progress log is what a run knows of itself: every attempt before it is made, and every
answer. These commands read it. They change nothing, do not disturb a run at work, and tell
nothing about anybody: people are positions in their shard.

Exit codes:
` + exitCodes,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(verifyCommand(), dumpCommand(), statCommand())
	return c
}

// openRun opens the plan of the run in a folder, to look at it.
func openRun(path string) (dir string, plan *plan.Plan, err error) {
	if dir, err = absolute(path); err != nil {
		return dir, nil, err
	}
	if _, err = readCall(dir); err != nil {
		return dir, nil, err
	}
	plan, err = planned(dir)
	return dir, plan, err
}

// unsound says of an error in reading a run's log what it means and what to do.
func unsound(dir string, err error) error {
	if changed := (*plan.ChangedError)(nil); errors.As(err, &changed) {
		return refusal.New("%s has changed since this run began: %w. Nothing more is sent from here. Bring the file back from a copy of the folder; the log is not at fault", filepath.Join(dir, "plan.json"), changed)
	}
	if ledger.IsDamage(err) {
		return refusal.New("the run's log is damaged: %w; bring back the folder as it was last at work, or go on without the log: %s", err, refusal.Command("recover", dir))
	}
	return refusal.New("the run's log cannot be read: %w", err)
}

// planChanged refuses a plan.json that is not the one that the run's log was begun with. What
// differs from the campaign file then says nothing of the campaign file.
func planChanged(dir string, planned *plan.Plan) error {
	_, err := ledger.Read(dir, planned)
	if changed := (*plan.ChangedError)(nil); errors.As(err, &changed) {
		return unsound(dir, err)
	}
	return nil
}

// asPlanned refuses a campaign file that is no longer what the run was planned with.
func (s *session) asPlanned(plan *plan.Plan) error {
	err := campaign.Compare(plan.Frozen, s.frozen)
	if err == nil {
		return nil
	}
	if changed := planChanged(s.folder.path, plan); changed != nil {
		return changed
	}
	return refusal.New("%w", err)
}
