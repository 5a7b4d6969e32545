package inbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"cohort/engine/disk/crashfs"
)

// story is what three processes put into one inbox. Each of the first two ends at an operation of
// the filesystem. A reader follows all of them.
type story struct {
	given, acked []string // keys
	seen         []string // by the reader
	at           Position // of the reader
}

// found checks what a process finds: all that was acknowledged, in order, and nothing that
// nobody gave.
func (s *story) found(fsys *crashfs.FS) error {
	keys, _, err := readKeys(fsys, ".", Position{})
	if err != nil {
		return err
	}
	next := 0
	for _, key := range keys {
		if next < len(s.acked) && key == s.acked[next] {
			next++
		} else if !slices.Contains(s.given, key) || slices.Contains(s.acked, key) {
			return fmt.Errorf("%q is there, and was not given now: %q", key, keys)
		}
	}
	if next < len(s.acked) {
		return fmt.Errorf("%q was acknowledged and is lost; there are %q", s.acked[next], keys)
	}
	return nil
}

// follow lets the reader read on. If it cannot, it has read nothing.
func (s *story) follow(fsys *crashfs.FS) error {
	keys, at, err := readKeys(fsys, ".", s.at)
	if err != nil {
		return err
	}
	if all, _, err := readKeys(fsys, ".", Position{}); err == nil && slices.Equal(all, keys) {
		s.seen = nil // a power cut took what it saw last, and it begins anew
	}
	for _, key := range keys {
		if slices.Contains(s.seen, key) {
			return fmt.Errorf("the reader gets %q twice", key)
		}
	}
	s.at, s.seen = at, append(s.seen, keys...)
	return nil
}

// work opens the inbox and puts events.
func (s *story) work(fsys *crashfs.FS, r *rand.Rand) error {
	in, err := openOn(fsys, ".", 500)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // after a cut this only ends the goroutine
	if err := s.found(fsys); err != nil {
		return err
	}
	for range 6 {
		var keys []string
		for range 1 + r.IntN(3) {
			keys = append(keys, fmt.Sprint("event ", len(s.given)))
			s.given = append(s.given, keys[len(keys)-1])
		}
		if err := in.Put(background, events(keys...)); err != nil {
			return err
		}
		s.acked = append(s.acked, keys...)
		if r.IntN(2) == 0 {
			if err := s.follow(fsys); err != nil {
				return err
			}
		}
	}
	return s.follow(fsys)
}

// tell tells a story whose first process ends at operation cut; 0: it does not. It returns the
// number of operations of the first process.
func tell(seed, cut int, lie func(op, name string) bool) (ops int, err error) {
	r := rand.New(rand.NewPCG(uint64(seed), uint64(cut)))
	s, fsys := &story{}, crashfs.New()
	for process := range 3 {
		// The reader may see what the process before has written and nobody has synced.
		if r.IntN(2) == 0 {
			if err := s.follow(fsys); err != nil {
				return 0, fmt.Errorf("before process %d: %w", process, err)
			}
		}
		fsys.CutAt, fsys.CutAfter, fsys.Lie = cut, r.IntN(2) == 0, lie
		err := s.work(fsys, rand.New(rand.NewPCG(uint64(seed), uint64(process))))
		if err != nil && !errors.Is(err, crashfs.ErrCut) {
			return 0, fmt.Errorf("process %d: %w", process, err)
		}
		if process == 0 {
			ops = fsys.Ops
		}
		if process == 2 {
			return ops, errors.Join(s.found(fsys), s.complete())
		}
		fsys, cut = fsys.After([]int{crashfs.Killed, crashfs.PowerCut, crashfs.SectorsCut}[r.IntN(3)], r), 1+r.IntN(40)
		if process == 1 {
			cut = 0
		}
	}
	return ops, nil
}

// complete checks that the reader has everything that was acknowledged.
func (s *story) complete() error {
	for _, key := range s.acked {
		if !slices.Contains(s.seen, key) {
			return fmt.Errorf("the reader never got %q", key)
		}
	}
	return nil
}

// The promise: the machine may stop at any operation. No acknowledged event is lost, none is
// invented, the inbox opens, and a reader gets every event once.
func TestPowerCutAtEveryOperation(t *testing.T) {
	t.Parallel()
	seeds := 40
	if testing.Short() {
		seeds = 4
	}
	if os.Getenv("COHORT_PROVE") != "" {
		seeds = 400
	}
	cuts := 0
	for seed := range seeds {
		last, err := tell(seed, 0, nil)
		must(t, err)
		for cut := 1; cut <= last; cut++ {
			if _, err := tell(seed, cut, nil); err != nil {
				t.Fatalf("seed %d, cut at operation %d: %v", seed, cut, err)
			}
			cuts++
		}
	}
	t.Logf("%d cuts", cuts)
}

// The proof counts only if it fails when the thing is broken.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for name, lie := range map[string]func(op, name string) bool{
		"no sync of the events":  func(op, _ string) bool { return op == "sync" },
		"no sync of the volumes": func(op, name string) bool { return op == "syncdir" && name == "." },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range 40 {
				for cut := 1; cut <= 60; cut++ {
					if _, err := tell(seed, cut, lie); err != nil {
						t.Logf("seed %d, cut %d: %v", seed, cut, err)
						return
					}
				}
			}
			t.Error("not caught")
		})
	}
}
