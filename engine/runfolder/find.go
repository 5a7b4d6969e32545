package runfolder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cohort/engine/refusal"
)

// runsFolder holds the folders of runs, unless --runs or --run names another place.
const runsFolder = "runs"

// mostNamed limits the runs that a refusal lists.
const mostNamed = 10

// shortestID is the number of characters of a run id that Find needs.
const shortestID = 4

// In lists the folders of the runs in a folder, by name.
func In(runs string) (all []string, err error) {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return nil, refusal.New("runs_unreadable", "cause", err)
	}
	for _, e := range entries {
		if dir := filepath.Join(runs, e.Name()); Exists(filepath.Join(dir, RunFile)) {
			all = append(all, dir)
		}
	}
	return all, nil
}

// Find returns the absolute path of the run's folder that a person names, and its run.json. A
// name that does not exist may be a run id, or the start of one: Find looks for it in ./runs.
func Find(name string) (dir string, c Call, err error) {
	if dir, err = Absolute(name); err != nil {
		return "", c, err
	}
	info, err := os.Stat(dir)
	missing := errors.Is(err, fs.ErrNotExist)
	if err == nil && !info.IsDir() {
		return "", c, refusal.New("file_not_folder", "file", name)
	}
	if Exists(filepath.Join(dir, RunFile)) {
		c, err = ReadCall(dir)
		return dir, c, err
	}
	all, _ := In(runsFolder) // it may not exist
	var named []string
	for _, folder := range all {
		if c, err := ReadCall(folder); err == nil && missing && len(name) >= shortestID && strings.HasPrefix(c.RunID, strings.ToLower(name)) {
			named = append(named, folder)
		}
	}
	switch {
	case len(named) == 1:
		return Find(named[0])
	case len(named) > 1:
		return "", c, refusal.New("run_id_ambiguous", "id", name, "folders", strings.Join(named, ", "))
	case len(all) > 0:
		if len(all) > mostNamed {
			all = append(all[:mostNamed], "…")
		}
		return "", c, refusal.New("not_a_run_but", "folder", dir, "file", RunFile, "folders", strings.Join(all, ", "))
	}
	return "", c, refusal.New("not_a_run", "folder", dir, "file", RunFile)
}
