package earlier

import (
	"path/filepath"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/sinks/file"
)

// joined refuses while an earlier run that will be closed has people in its parts and in no
// file: closed, it would never put them into one, and the new run leaves them out.
func (e *Runs) Joined() error {
	if e == nil || e.Everybody {
		return nil
	}
	for _, r := range e.Runs {
		if !campaign.WritesFiles(r.plan.Service) || r.older {
			continue
		}
		m, err := file.ReadManifest(filepath.Join(r.Entry.Folder, runfolder.FilesFolder))
		if err != nil {
			return refusal.New("earlier_files_unreadable", "run", r.Entry.RunID, "cause", err)
		}
		n := 0
		for f, err := range r.ledger.Accepted() {
			if err != nil {
				return runfolder.Damaged(err)
			}
			if m == nil || !m.Whole || !m.Holds(f.Reference) {
				n += int(f.Messages)
			}
		}
		if n > 0 && r.ledger.Superseded == "" {
			return refusal.New("earlier_files_unfinished", "messages", n, "run", r.Entry.RunID, "command", refusal.Command("resume", r.Entry.Folder))
		}
	}
	return nil
}
