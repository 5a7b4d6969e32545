package intake

import (
	"fmt"
	"slices"
	"strings"
)

// chosen are the parts of some names, in their order; all of no names. The baseline is
// always among them, and what only unpacks a file is with those who also read it.
func chosen(names []string) ([]part, error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("there is no part %s; there are: %s", name, strings.Join(Names(), ", "))
		}
	}
	wanted := func(p part) bool {
		return len(names) == 0 || p.name == baseline || slices.Contains(names, p.name)
	}
	var some []part
	for _, p := range parts {
		if wanted(p) || slices.ContainsFunc(parts, func(q part) bool { return q.floor == p.name && wanted(q) }) {
			some = append(some, p)
		}
	}
	return some, nil
}

// cell is one part on so many cores.
type cell struct {
	part  part
	cores int
}

// cells are the parts on one core, where they are measured so, and on all.
func cells(parts []part, cores int) (all []cell) {
	for _, p := range parts {
		if p.oneCore && cores > 1 {
			all = append(all, cell{p, 1})
		}
		all = append(all, cell{p, cores})
	}
	return all
}

// packings are those that parts read, the plain one left out.
func packings(parts []part) (all []packing) {
	for _, p := range parts {
		if p.packing != plain && !slices.Contains(all, p.packing) {
			all = append(all, p.packing)
		}
	}
	return all
}
