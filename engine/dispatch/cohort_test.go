package dispatch

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
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

// formIDs lists every form, planned forms first.
func formIDs(l *ledger.Ledger) (all []plan.FormID) {
	for batch := range uint32(l.Plan.Batches()) {
		all = append(all, plan.FormID{Batch: batch})
	}
	for id := range l.Begun {
		if id.Revision > 0 {
			all = append(all, id)
		}
	}
	slices.SortFunc(all[l.Plan.Batches():], byForm)
	return all
}

// byForm orders forms by batch, revision and part.
func byForm(a, b plan.FormID) int {
	return cmp.Or(cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Part, b.Part))
}
