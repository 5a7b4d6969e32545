package metrics

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine/runfolder"
)

// mostRuns limits the runs that the metrics of a folder of runs show, and lately is how long ago they may have been called.
const (
	mostRuns = 20
	lately   = 30 * 24 * time.Hour
)

// recent lists the runs in a folder that were called lately, the latest first.
func recent(runs string) []string {
	all, _ := runfolder.In(runs) // what cannot be read was refused before
	began := map[string]time.Time{}
	for _, dir := range all {
		if info, err := os.Stat(filepath.Join(dir, runfolder.RunFile)); err == nil && time.Since(info.ModTime()) < lately {
			began[dir] = info.ModTime()
		}
	}
	all = slices.SortedFunc(maps.Keys(began), func(a, b string) int { return began[b].Compare(began[a]) })
	return all[:min(mostRuns, len(all))]
}

// Under shows the runs in a folder that were called lately.
func Under(runs string) Source { return Folders(func() []string { return recent(runs) }) }
