package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// figures are the totals of one life, or of many.
type figures struct {
	lives      int
	kinds      map[string]int // misfortunes, by their names
	starts     int            // of processes that sent
	requests   uint64         // attempts in the log
	replays    uint64         // of those, again under the same reference
	revisions  int
	settled    int // 422s: replays of what the service had already
	accepted   int
	refused    int
	listed     int // people left out by a list
	late       int // people listed too late
	recovering time.Duration
}

func (f *figures) add(o figures) {
	f.lives++
	for kind, n := range o.kinds {
		f.kinds[kind] += n
	}
	f.starts, f.requests, f.replays, f.revisions = f.starts+o.starts, f.requests+o.requests, f.replays+o.replays, f.revisions+o.revisions
	f.settled, f.accepted, f.refused, f.listed, f.late = f.settled+o.settled, f.accepted+o.accepted, f.refused+o.refused, f.listed+o.listed, f.late+o.late
	f.recovering = max(f.recovering, o.recovering)
}

// String is a table that can be quoted.
func (f *figures) String() string {
	var out strings.Builder
	row := func(name string, n any) { fmt.Fprintf(&out, "| %-50s | %10v |\n", name, n) }
	row("", "")
	out.WriteString("|" + strings.Repeat("-", 52) + "|" + strings.Repeat("-", 11) + ":|\n")
	row("lives", f.lives)
	for _, kind := range slices.Sorted(maps.Keys(f.kinds)) {
		row("misfortune: "+kind, f.kinds[kind])
	}
	row("starts of a process", f.starts)
	row("requests attempted", f.requests)
	row("of those, replays", f.replays)
	row("422s that settled a doubt", f.settled)
	row("revisions", f.revisions)
	row("messages accepted, each once", f.accepted)
	row("messages refused", f.refused)
	row("people left out by a list", f.listed)
	row("people listed too late", f.late)
	row("accepted twice, lost, or wrongly accounted for", 0)
	row("longest way from the last misfortune to the end", f.recovering.Round(100*time.Millisecond))
	return out.String()
}
