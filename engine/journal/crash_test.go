package journal

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// crash is one story: a process works until the machine stops at an operation, a second
// one finds what is left and stops as well, a third must find the log in order.
type crash struct {
	seed, cut int
	ends      []int // how a process may end
	lie       func(op, name string) bool
}

// tell runs the story. refused tells that the log refused what it found as damaged.
func (c crash) tell() (refused bool, err error) {
	r := seeded(c.seed, c.cut)
	h := &history{}
	fsys := newCrashFS()
	cut := c.cut
	for process := 0; ; process++ {
		fsys.cutAt, fsys.cutAfter, fsys.lie = cut, r.IntN(2) == 0, c.lie
		// The work depends on the seed alone, so that every cut hits the same work.
		l, err := h.reopen(small(fsys), true)
		if err == nil {
			err = h.work(l, seeded(c.seed, process), 9)
		}
		var damage *CorruptError
		if errors.As(err, &damage) {
			return true, err
		}
		if err != nil && !errors.Is(err, errCut) {
			return false, fmt.Errorf("process %d: %w", process, err)
		}
		next := fsys.after(c.ends[r.IntN(len(c.ends))], r)
		if l != nil {
			_ = l.Close() // its filesystem is gone: this only ends the goroutine
		}
		if process == 2 {
			return false, nil
		}
		fsys, cut = next, 0
		if process == 0 {
			cut = 1 + r.IntN(60)
		}
	}
}

// operations returns how many operations the first process of a seed takes.
func operations(t *testing.T, seed int) int {
	t.Helper()
	fsys, h := newCrashFS(), &history{}
	l, err := h.reopen(small(fsys), true)
	must(t, err)
	must(t, h.work(l, seeded(seed, 0), 9))
	n := fsys.ops
	must(t, l.Close())
	return n
}

func seeds(t *testing.T, n int) int {
	switch {
	case os.Getenv("COHORT_PROVE") != "":
		return 10 * n
	case testing.Short():
		return max(1, n/10)
	}
	return n
}

// The promise: at whichever operation the machine stops, nothing acknowledged is lost,
// nothing is invented, and the log opens.
func TestPowerCutAtEveryOperation(t *testing.T) {
	cuts := 0
	for seed := range seeds(t, 200) {
		for cut := 1; cut <= operations(t, seed); cut++ {
			cuts++
			if _, err := (crash{seed: seed, cut: cut, ends: []int{killed, powerCut}}).tell(); err != nil {
				t.Fatalf("seed %d, cut at operation %d: %v", seed, cut, err)
			}
		}
	}
	t.Logf("%d cuts", cuts)
}

// A cut that keeps later pages of an unacknowledged group and not earlier ones may make
// the log refuse itself, which loses nothing. It must not do anything else.
func TestPowerCutThatKeepsLaterPages(t *testing.T) {
	cuts, refusals := 0, 0
	for seed := range seeds(t, 60) {
		for cut := 1; cut <= operations(t, seed); cut++ {
			cuts++
			refused, err := (crash{seed: seed, cut: cut, ends: []int{killed, pagesCut}}).tell()
			if refused {
				refusals++
			} else if err != nil {
				t.Fatalf("seed %d, cut at operation %d: %v", seed, cut, err)
			}
		}
	}
	if refusals == 0 || refusals > cuts/4 {
		t.Errorf("%d of %d cuts were refused", refusals, cuts)
	}
}

// A proof counts only if it fails when the thing is broken: every step that makes
// something durable is left out in turn, and a cut must show it.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for name, lie := range map[string]func(op, name string) bool{
		"no sync of groups":                func(op, _ string) bool { return op == "sync" },
		"no sync of a header":              func(op, _ string) bool { return op == "syncheader" },
		"no sync of the directory":         func(op, name string) bool { return op == "syncdir" && name == "log" },
		"no sync of the directory at Open": afterRename(),
		"no sync of the parent":            func(op, name string) bool { return op == "syncdir" && name == "." },
		"no settling of the last segment":  func(op, _ string) bool { return op == "settle" },
	} {
		t.Run(name, func(t *testing.T) {
			tried := 0
			for seed := range 200 {
				for cut := 1; cut <= operations(t, seed); cut++ {
					tried++
					if _, err := (crash{seed: seed, cut: cut, ends: []int{killed, powerCut}, lie: lie}).tell(); err != nil {
						first, _, _ := strings.Cut(err.Error(), "\n")
						t.Logf("caught by cut %d: %s", tried, first)
						return
					}
				}
			}
			t.Errorf("not caught by %d cuts", tried)
		})
	}
}

// afterRename returns a lie about the directory, except where a segment was just renamed.
func afterRename() func(op, name string) bool {
	last := ""
	return func(op, name string) bool {
		before := last
		last = op
		return op == "syncdir" && name == "log" && before != "rename"
	}
}
