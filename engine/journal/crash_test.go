package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"

	"cohort/engine/disk"
	"cohort/engine/disk/crashfs"
)

// crash is one sequence of processes. The first works until the machine stops at an operation.
// The second continues and stops as well. The third must find the log in order.
type crash struct {
	seed, cut int
	ends      []int // how a process may end
	wide      bool  // groups of many sectors, rather than many segments
	mutant    mutant
	found     func(*crashfs.FS) // what a process finds, before it looks; may be nil
}

// tell runs the story. refused tells that the log refused what it found as damaged.
func (c crash) tell() (refused bool, err error) {
	r := seeded(c.seed, c.cut)
	h := &history{}
	fsys := crashfs.New()
	cut := c.cut
	for process := 0; ; process++ {
		fsys.CutAt, fsys.CutAfter = cut, r.IntN(2) == 0
		if c.found != nil {
			c.found(fsys)
		}
		l, err := h.reopen(c.options(c.mutant.on(fsys)), true)
		if err == nil {
			err = c.work(h, l, process)
		}
		var damage *CorruptError
		if errors.As(err, &damage) {
			return true, err
		}
		if err != nil && !errors.Is(err, crashfs.ErrCut) {
			return false, fmt.Errorf("process %d: %w", process, err)
		}
		next := fsys.After(c.ends[r.IntN(len(c.ends))], r)
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

// work does a process's share. It depends on the seed alone, so that every cut hits the
// same work.
func (c crash) work(h *history, l *Log, process int) error {
	groups := 9
	if c.wide {
		h.longest, groups = 1500, 5
	}
	return h.work(c.mutant.over(l), seeded(c.seed, process), groups)
}

func (c crash) options(fsys disk.FS) Options {
	o := small(fsys)
	if c.wide {
		o.SegmentBytes = 20_000
	}
	return o
}

// operations returns how many operations the first process takes.
func (c crash) operations(t *testing.T) int {
	t.Helper()
	fsys, h := crashfs.New(), &history{}
	l, err := h.reopen(c.options(fsys), true)
	must(t, err)
	must(t, c.work(h, l, 0))
	n := fsys.Ops
	must(t, l.Close())
	return n
}

func operations(t *testing.T, seed int) int { return crash{seed: seed}.operations(t) }

// seeds returns how many seeds a test takes: fewer with -short, ten times as many for
// the proof at length.
func seeds(t *testing.T, n int) int {
	switch {
	case os.Getenv("COHORT_PROVE") != "":
		return 10 * n
	case testing.Short():
		return max(1, n/10)
	}
	return n
}

// everyCut tells a story with a cut at each operation of each seed, until tell says false.
func everyCut(t *testing.T, seeds int, c crash, tell func(crash) bool) (cuts int) {
	for c.seed = range seeds {
		honest := c
		honest.mutant = mutant{}
		last := honest.operations(t)
		for c.cut = 1; c.cut <= last; c.cut++ {
			cuts++
			if !tell(c) {
				return cuts
			}
		}
	}
	return cuts
}

// The promise: the machine may stop at any operation. No acknowledged record is lost, no record
// is invented, every outcome has its intent, and the log opens.
func TestPowerCutAtEveryOperation(t *testing.T) {
	t.Parallel()
	cuts := everyCut(t, seeds(t, 150), crash{ends: []int{crashfs.Killed, crashfs.PowerCut}}, func(c crash) bool {
		if _, err := c.tell(); err != nil {
			t.Fatalf("seed %d, cut at operation %d: %v", c.seed, c.cut, err)
		}
		return true
	})
	t.Logf("%d cuts", cuts)
}

// The same when the disk keeps any of the sectors that were under way. A group that has
// lost some and not the last is a torn tail: nobody was told that it is durable.
func TestPowerCutThatKeepsAnySectors(t *testing.T) {
	t.Parallel()
	torn := 0
	c := crash{ends: []int{crashfs.Killed, crashfs.SectorsCut}, wide: true, found: func(fsys *crashfs.FS) {
		if recordsBehindATear(fsys) {
			torn++
		}
	}}
	cuts := everyCut(t, seeds(t, 150), c, func(c crash) bool {
		if _, err := c.tell(); err != nil {
			t.Fatalf("seed %d, cut at operation %d: %v", c.seed, c.cut, err)
		}
		return true
	})
	t.Logf("%d cuts; %d left valid records behind a tear", cuts, torn)
	if torn < cuts/100 {
		t.Error("the cuts hardly ever leave records behind a tear")
	}
}

// recordsBehindATear reports whether the last segment holds a valid frame beyond the
// bytes where its valid frames end.
func recordsBehindATear(fsys *crashfs.FS) bool {
	dir := fsys.Root.Live["log"]
	if dir == nil {
		return false
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(dir.Live)), func(n string) bool { return n == reserveName || n[len(n)-4:] == tempSuffix })
	if len(names) == 0 {
		return false
	}
	data := dir.Live[names[len(names)-1]].Data
	if len(data) < headerSize {
		return false
	}
	_, sum, err := decodeHeader(data)
	if err != nil {
		return false
	}
	torn := false
	for off := headerSize; off+frameHeader <= len(data); {
		if frame := data[off:]; validFrame(frame, sum) {
			if torn {
				return true
			}
			off += frameSize(frame)
		} else {
			torn = true
			off++
		}
	}
	return false
}

func validFrame(b []byte, sum uint32) bool {
	n := frameSize(b)
	return b[0] != 0 && n <= len(b) && frameSum(sum, b[:n]) == uint32(b[4])|uint32(b[5])<<8|uint32(b[6])<<16|uint32(b[7])<<24
}

// Some filesystems show old bytes in sectors that were never written. Then a torn group may
// look like damage. The log may only be refused, which loses nothing.
func TestPowerCutThatUncoversOldBytes(t *testing.T) {
	t.Parallel()
	refusals := 0
	cuts := everyCut(t, seeds(t, 40), crash{ends: []int{crashfs.Killed, crashfs.StaleCut}, wide: true}, func(c crash) bool {
		refused, err := c.tell()
		if refused {
			refusals++
		} else if err != nil {
			t.Fatalf("seed %d, cut at operation %d: %v", c.seed, c.cut, err)
		}
		return true
	})
	t.Logf("%d of %d cuts were refused", refusals, cuts)
	if refusals == 0 || refusals > cuts/4 {
		t.Errorf("%d of %d cuts were refused", refusals, cuts)
	}
}

// Many callers, and a cut at some operation: each caller finds its durable records, in order
// and without a gap.
func TestPowerCutWithManyCallers(t *testing.T) {
	t.Parallel()
	const callers, records = 8, 12
	lost := 0
	for seed := range seeds(t, 300) {
		r := seeded(seed, 0)
		fsys := crashfs.New()
		o := Options{SegmentBytes: 3000, Delay: 1, Reserve: 600, FS: fsys}
		fsys.CutAt, fsys.CutAfter = 10+r.IntN(60), r.IntN(2) == 0
		var acked [callers]int // records, of each caller
		if l, err := Open("log", testRun, o, nil); err == nil {
			var wait sync.WaitGroup
			for caller := range callers {
				wait.Go(func() {
					for i := range records {
						give := l.Commit
						if i%3 == 1 {
							give = l.Append
						}
						if give(Type(caller+1), bytes.Repeat([]byte{byte(i)}, 1+(i*97+caller)%300)) != nil {
							return
						}
						if i%3 != 1 {
							acked[caller] = i + 1
						}
					}
				})
			}
			wait.Wait()
			_ = l.Close()
		}
		o.FS = fsys.After([]int{crashfs.Killed, crashfs.PowerCut, crashfs.SectorsCut}[r.IntN(3)], r)
		var found [callers]int
		l, err := Open("log", testRun, o, func(r Record) error {
			caller := r.Type - 1
			if i := found[caller]; len(r.Payload) != 1+(i*97+int(caller))%300 || int(r.Payload[0]) != i {
				return fmt.Errorf("caller %d: record %d is %v", caller, i, r.Payload)
			}
			found[caller]++
			return nil
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		must(t, l.Close())
		for caller := range callers {
			if found[caller] < acked[caller] {
				t.Fatalf("seed %d: caller %d was told of %d records, and %d are there", seed, caller, acked[caller], found[caller])
			}
			lost += records - found[caller]
		}
	}
	if lost == 0 {
		t.Error("no cut took anything away")
	}
}
