package run

import (
	"cohort/engine/refusal"
)

// asks is the command that asks the service what it has of what is in doubt.
func (s *Runner) Asks() string { return refusal.Command("reconcile", s.Folder.Path) }
