package earlier

import (
	"errors"
	"path/filepath"

	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

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
