package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
)

// registerLost looks, where no register of the campaign knows a run, for a run in folder or
// under the runs folder that was noted there before. Several registers that all forgot are
// storage that is not mounted, and nothing is sent. A single one is warned about: the run that
// goes on knows from its own log whom it has reached.
func (s *session) registerLost(folder string) error {
	registers := s.campaign.Registers()
	if slices.ContainsFunc(registers, func(dir string) bool { return holdsBytes(filepath.Join(dir, "register.jsonl")) }) {
		return nil
	}
	folders := []string{folder}
	for _, runs := range []string{s.runs, filepath.Dir(folder)} {
		if runs != "" {
			beside, _ := filepath.Glob(filepath.Join(globQuoted(runs), "*", runFile))
			for _, f := range beside {
				folders = append(folders, filepath.Dir(f))
			}
		}
	}
	for _, f := range folders {
		c, err := readCall(f)
		if err != nil || !slices.Contains(registers, c.Register) || !wasNoted(f) {
			continue
		}
		if len(registers) > 1 {
			return refuse("none of the registers knows a run (%s), and the run in %s was noted in them before; without them nobody can say whom earlier runs have reached. Nothing was sent. Mount their storage, or bring back one of them from a copy; if they are lost for good, name other folders under register in the campaign file, and send only to people whom no earlier run can have reached",
				strings.Join(registers, ", "), f)
		}
		s.log.Warn("the register knows no run, and a run was noted in it before: what it knew is lost, and people whom other runs have reached may be sent to again; if its storage is not mounted, stop this and mount it; else bring the register back from a copy", "register", registers[0], "run", f)
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
