package dispatch

import (
	"os"
	"path/filepath"
	"testing"

	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
)

// copyRun copies a run's folder as a crash at this moment would leave it. The second
// copy of the revisions goes first, since the log is written before it.
func copyRun(t testing.TB, from, to string) {
	t.Helper()
	enginetest.Must(t, os.MkdirAll(to, 0o700))
	for _, name := range []string{plan.PlanFile, plan.BatchesFile, ledger.RevisionsFolder, ledger.LogFolder} {
		info, err := os.Stat(filepath.Join(from, name))
		enginetest.Must(t, err)
		if info.IsDir() {
			enginetest.CopyFolder(t, filepath.Join(from, name), filepath.Join(to, name))
		} else {
			enginetest.CopyFile(t, filepath.Join(from, name), filepath.Join(to, name))
		}
	}
}
