// Package build says which program this is.
package build

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// make release sets these with the linker: the number of the release, and the commit with its time. They do not depend
// on the kind of clone, as what the go command records does.
var release, commit, committed string

// Program says how this program was built. What the build did not record is empty.
type Program struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Time     string `json:"commit_time"` // RFC 3339
	Modified bool   `json:"modified"`    // the sources were not those of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read returns what the build recorded.
func Read() Program {
	p := Program{Version: "unknown", Commit: commit, Time: committed, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if release != "" {
		p.Version = release + "+" + p.Commit[:min(12, len(p.Commit))]
	}
	if !ok || release != "" {
		return p
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			p.Commit = s.Value
		case "vcs.time":
			p.Time = s.Value
		case "vcs.modified":
			p.Modified = s.Value == "true"
		}
	}
	p.Version = info.Main.Version
	if p.Version == "" || p.Version == "(devel)" {
		p.Version = strings.TrimSuffix("devel-"+p.Commit[:min(12, len(p.Commit))], "-")
	}
	return p
}

// Version returns the version for logs and reports: the release and its commit, or the module's version.
func Version() string { return Read().Version }
