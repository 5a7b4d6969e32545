package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// registerLost looks, where no register of the campaign knows a run, for a run in folder or
// under the runs folder that was noted there before. Several registers that all forgot are
// storage that is not mounted, and nothing is sent. A single one is warned about: the run that
// goes on knows from its own log whom it has reached.
func (s *Runner) registerLost(folder string) error {
	registers := s.Campaign.Registers()
	if slices.ContainsFunc(registers, func(dir string) bool { return holdsBytes(filepath.Join(dir, "register.jsonl")) }) {
		return nil
	}
	folders := []string{folder}
	for _, runs := range []string{s.Runs, filepath.Dir(folder)} {
		if runs != "" {
			beside, _ := filepath.Glob(filepath.Join(globQuoted(runs), "*", runfolder.RunFile))
			for _, f := range beside {
				folders = append(folders, filepath.Dir(f))
			}
		}
	}
	for _, f := range folders {
		c, err := runfolder.ReadCall(f)
		if err != nil || !slices.Contains(registers, c.Register) || !wasNoted(f) {
			continue
		}
		if len(registers) > 1 {
			return refusal.New("registers_empty", "registers", strings.Join(registers, ", "), "folder", f)
		}
		s.Log.Warn("the register knows no run, and a run was noted in it before: what it knew is lost, and people whom other runs have reached may be sent to again; if its storage is not mounted, stop this and mount it; else bring the register back from a copy", "register", registers[0], "run", f)
		return nil
	}
	return nil
}

// wasNoted reports whether a register must know the run in a folder: it is told before the
// first request. A log that cannot be read is taken for one that has made some.
func wasNoted(folder string) bool {
	planned, err := plan.Open(folder)
	if err != nil {
		return !errors.Is(err, plan.ErrNone)
	}
	defer func() { _ = planned.Close() }()
	ledger, err := ledger.Read(folder, planned)
	return err != nil || ledger.Facts().Attempts > 0
}

// globQuoted is a path as a pattern that matches it alone.
func globQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func holdsBytes(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}
