package run

import (
	"errors"
	"time"

	"cohort/cmd/internal/earlier"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// noteWitness notes, before anything is sent, that the run is at work in this folder, and who
// has decided so.
func (s *Runner) NoteWitness(plan *plan.Plan, decided string) error {
	log, err := ledger.Open(s.Folder.Path, plan)
	if err != nil {
		return runfolder.RoomOr(err, runfolder.Unsound(s.Folder.Path, err), s.Folder.Path)
	}
	if err := errors.Join(log.NoteWitness(time.Now(), s.Folder.Path, decided), log.Close()); err != nil {
		return runfolder.RoomOr(err, refusal.New("folder_unwritable", "cause", err), s.Folder.Path)
	}
	return nil
}

// isLatest refuses a folder that may be a copy, where the service takes a message twice.
func (s *Runner) isLatest(plan *plan.Plan, ledger *ledger.Ledger) error {
	if !plan.NeverAgain || s.Call.Simulate {
		return nil
	}
	return earlier.AskLatest(s.Folder.Path, ledger.ShowsLatest(s.Folder.Path))
}
