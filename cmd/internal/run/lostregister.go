package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// adopt copies to the campaign's register what other registers know that its runs used before: the
// run in folder, and the runs beside it.
func (r *Runner) adopt(folder string) error {
	if err := r.registerLost(folder); err != nil {
		return err
	}
	if r.Call.Register == r.Campaign.Register {
		return nil
	}
	r.Call.Register = r.Campaign.Register
	folders := []string{folder}
	beside, _ := os.ReadDir(r.Runs)
	for _, f := range beside {
		if short, of := strings.CutPrefix(f.Name(), r.Campaign.Name+"-"); of && len(short) == len(r.Id.Short()) {
			folders = append(folders, filepath.Join(r.Runs, f.Name()))
		}
	}
	var adopted []string
	for _, f := range folders {
		c, err := runfolder.ReadCall(f)
		inUse := func(folder string) bool { return c.Register == folder || runfolder.Same(c.Register, folder) }
		if err != nil || c.Register == "" || slices.ContainsFunc(r.Campaign.Registers(), inUse) || slices.Contains(adopted, c.Register) {
			continue
		}
		adopted = append(adopted, c.Register)
		if err := r.adoptFrom(c.Register); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) adoptFrom(was string) error {
	now := r.Campaign.Register
	if !runfolder.Exists(was) {
		r.Log.Warn("register in the campaign file has changed, and the old folder is not there: runs that it alone knows are not looked at", event.RegisterChanged, "was", was, "is", now)
		return nil
	}
	r.Log.Warn("register in the campaign file has changed: both are read, and the new one takes over what the old one knows", event.RegisterChanged, "was", was, "is", now)
	old, err := register.Open(was)
	if err != nil {
		return refusal.New("old_register_unreadable", "cause", err, "register", now)
	}
	defer func() { _ = old.Close() }()
	return r.inRegister(func(reg *register.Register) error {
		if err := reg.Adopt(old); err != nil {
			return refusal.New("register_not_adopted", "cause", err)
		}
		return nil
	})
}

// registerLost looks, if the campaign's registers are empty, for a run that was noted in them: in
// folder, beside it, and under r.Runs. Several empty registers mean storage that is not mounted, and
// the start is refused. A single one gets a warning: each log still names the people reached.
func (r *Runner) registerLost(folder string) error {
	registers := r.Campaign.Registers()
	used := func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, "register.jsonl"))
		return err == nil && info.Size() > 0
	}
	if slices.ContainsFunc(registers, used) {
		return nil
	}
	folders := []string{folder}
	for _, runs := range []string{r.Runs, filepath.Dir(folder)} {
		beside, _ := os.ReadDir(runs)
		for _, f := range beside {
			folders = append(folders, filepath.Join(runs, f.Name()))
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
		r.Log.Warn("the register knows no run, and a run was noted in it before: its knowledge is lost, and people reached by other runs may be sent to again; if its storage is not mounted, stop this and mount it; else bring the register back from a copy", event.RegisterEmpty, "register", registers[0], "other_run", f)
		return nil
	}
	return nil
}

// wasNoted reports whether a register must know the run in a folder: it is told before the first
// request. An unreadable log is taken for one with requests.
func wasNoted(folder string) bool {
	planned, err := plan.Open(folder)
	if err != nil {
		return !errors.Is(err, plan.ErrNone)
	}
	defer func() { _ = planned.Close() }()
	folded, err := ledger.Read(folder, planned)
	return err != nil || folded.Facts().Attempts > 0
}
