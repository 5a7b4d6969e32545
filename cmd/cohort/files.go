package main

import (
	"path/filepath"

	"cohort/cmd/internal/run"
	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/sinks/file"
)

// look adds what there is of files, where the plan's service is one. A run is not finished
// before they are whole.
func (s *Status) look(plan *plan.Plan) error {
	if !campaign.WritesFiles(plan.Service) {
		return nil
	}
	s.Files = &run.FilesStatus{Folder: filepath.Join(s.Folder, runfolder.FilesFolder)}
	m, err := file.ReadManifest(s.Files.Folder)
	switch {
	case err != nil:
		return refusal.New("files_manifest_unreadable", "cause", err)
	case m != nil && m.Whole:
		s.Files.Whole, s.Files.Count, s.Files.Messages = true, len(m.Files), m.Messages
	case s.State == "finished":
		s.State = "stopped"
	}
	return nil
}
