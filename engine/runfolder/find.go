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
	known, _ := filepath.Glob(filepath.Join(runsFolder, "*", RunFile)) // an error is one of the pattern
	var all, named []string
	for _, file := range known {
		folder := filepath.Dir(file)
		all = append(all, folder)
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
