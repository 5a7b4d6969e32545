package run

import (
	"errors"
	"path/filepath"
	"time"

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
	return AskLatest(s.Folder.Path, ledger.ShowsLatest(s.Folder.Path))
}

// askLatest says what to do where a folder cannot show that it is the latest.
func AskLatest(folder string, why error) error {
	copied, log := (*ledger.CopyError)(nil), filepath.Join(folder, "log")
	switch {
	case why == nil:
		return nil
	case !errors.As(why, &copied):
		return runfolder.Unsound(folder, why)
	case copied.Older:
		return refusal.New("folder_is_older", "folder", folder, "cause", why, "log", refusal.ShellWord(log), "log_aside", refusal.ShellWord(log+".older"), "command", refusal.Command("recover", folder))
	}
	return refusal.New("folder_may_be_older", "folder", folder, "cause", why, "command", refusal.Command("decide", folder, "latest", "--reason", "how you know"))
}
