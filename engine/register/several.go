package register

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// OpenAll opens the registers in several folders as one. For each run the most advanced line
// counts, and the registers that lack it get it. Record adds a line to all of them.
//
// It creates a folder only while no register has a run. Later, a missing folder means storage
// that is not mounted, and an empty register in its place would hide the runs.
func OpenAll(dirs []string) (_ *Register, err error) {
	if len(dirs) == 1 {
		return Open(dirs[0])
	}
	used := slices.ContainsFunc(dirs, func(dir string) bool { _, err := os.Stat(filepath.Join(dir, File)); return err == nil })
	r := &Register{}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	for _, dir := range slices.Sorted(slices.Values(dirs)) { // a fixed order, so that two processes cannot block each other
		place := filepath.Dir(dir)
		if used {
			place = dir
		}
		if _, err := os.Stat(place); err != nil {
			return nil, fmt.Errorf("the register %s cannot be reached: %w; mount its storage. If the register is new, make its folder: mkdir -p %s", dir, err, dir)
		}
		one, err := Open(dir)
		if err != nil {
			return nil, err
		}
		r.join(one)
	}
	for _, one := range r.all {
		for _, e := range r.runs {
			if was, _ := one.latest(e.RunID); !reflect.DeepEqual(was, e) {
				if err := one.add(e); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

func (r *Register) join(one *Register) {
	r.all = append(r.all, one)
	for _, e := range one.runs {
		if was, known := r.latest(e.RunID); known {
			e = furthest(was, e)
		}
		r.put(e)
	}
}

// furthest combines the lines of a run from two registers.
func furthest(a, b Entry) Entry {
	states := []State{Begun, Finished, Superseded}
	ahead := slices.Index(states, b.State) - slices.Index(states, a.State)
	if ahead > 0 || ahead == 0 && b.At.After(a.At) {
		a, b = b, a
	}
	a.Attempts, a.Revisions = max(a.Attempts, b.Attempts), max(a.Revisions, b.Revisions)
	a.Real = a.Real || b.Real
	for _, key := range b.Keys {
		if !slices.Contains(a.Keys, key) {
			a.Keys = append(slices.Clone(a.Keys), key)
		}
	}
	return a
}

// ReachedAll calls Reached for several registers. told counts those without an error.
func ReachedAll(dirs []string, run string, attempts, revisions uint64) (told int, err error) {
	for _, dir := range dirs {
		e := Reached(dir, run, attempts, revisions)
		if e == nil {
			told++
		}
		err = errors.Join(err, e)
	}
	return told, err
}
