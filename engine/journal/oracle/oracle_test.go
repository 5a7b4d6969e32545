package oracle

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cohort/engine/journal"
)

const header = 92 // bytes, of a segment

var run = [16]byte{1, 2, 3}

// story has three processes. The power goes during the first and the second. The third must find
// every record that the two know to be durable.
type story struct {
	seed, cut int
	lie       func(op, name string) bool
}

// text is the n-th record's payload: long enough for groups of several blocks.
func text(n int) string { return fmt.Sprint(n, " ", strings.Repeat("x", n*n*37%9000)) }

func (s story) tell() (ops int, err error) {
	rng := rand.New(rand.NewPCG(uint64(s.seed), uint64(s.cut)))
	work := rand.New(rand.NewPCG(uint64(s.seed), 0)) // the same for every cut
	d := newDisk(rng)
	acked, given := 0, 0 // records; the log always has the first of them
	for process := range 3 {
		d.lie = s.lie
		switch process {
		case 0:
			d.cutAt = s.cut
		case 1:
			d.cutAt = 1 + rng.IntN(25)
		}
		found := 0
		l, err := journal.Open("run/log", run, journal.Options{SegmentBytes: 40_000, Delay: time.Hour, Reserve: 100, FS: d}, func(r journal.Record) error {
			if found++; string(r.Payload) != text(found) || found > given {
				return fmt.Errorf("record %d is a wrong one", found)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errCut) {
			return 0, fmt.Errorf("process %d: %w", process, err)
		}
		if err == nil {
			if found < acked {
				return 0, fmt.Errorf("process %d: %d records, and %d were acknowledged", process, found, acked)
			}
			acked, given = found, found
			for range 6 {
				for range work.IntN(5) {
					if err = l.Append(1, []byte(text(given+1))); err != nil {
						break
					}
					given++
				}
				if err == nil {
					given++ // it may be there even if Commit fails
					err = l.Commit(2, []byte(text(given)))
				}
				if err != nil {
					break
				}
				acked = given
			}
			if err != nil && !errors.Is(err, errCut) {
				return 0, fmt.Errorf("process %d: %w", process, err)
			}
		}
		next := d.after()
		if l != nil {
			_ = l.Close()
		}
		if process == 0 {
			ops = d.ops
		}
		d = next
	}
	return ops, nil
}

// newDisk returns a disk with the run's folder, durable, as the register leaves it.
func newDisk(rng *rand.Rand) *memDisk {
	mem := vfs.NewCrashableMem()
	_ = mem.MkdirAll("run", 0o700)
	if root, err := mem.OpenDir("/"); err == nil {
		_ = root.Sync()
	}
	return &memDisk{mem: mem, rng: rng}
}

func seeds(n int) int {
	if os.Getenv("COHORT_PROVE") != "" {
		return 10 * n
	}
	return n
}

// everyCut tells stories until one fails.
func everyCut(seeds int, lie func(op, name string) bool) (cuts int, err error) {
	for seed := range seeds {
		most, err := story{seed: seed}.tell() // the whole work
		for cut := 1; err == nil && cut <= most; cut++ {
			cuts++
			if _, err = (story{seed, cut, lie}).tell(); err != nil {
				err = fmt.Errorf("seed %d, cut at operation %d: %w", seed, cut, err)
			}
		}
		if err != nil {
			return cuts, err
		}
	}
	return cuts, nil
}

// At whichever operation the power goes, and whichever blocks and names stay: what was
// acknowledged is there, in order, and nothing else but what was given.
func TestPowerCutAtEveryOperation(t *testing.T) {
	cuts, err := everyCut(seeds(60), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cuts", cuts)
}

func TestPlantedFaultsAreCaught(t *testing.T) {
	for name, lie := range map[string]func(op, name string) bool{
		"no sync of the data":                    func(op, _ string) bool { return op == "sync" },
		"no sync before the rename of a segment": func(op, _ string) bool { return op == "syncheader" },
		"no sync of the directory":               func(op, name string) bool { return op == "syncdir" && name == "log" },
		"no sync of the parent":                  func(op, name string) bool { return op == "syncdir" && name == "run" },
	} {
		t.Run(name, func(t *testing.T) {
			cuts, err := everyCut(200, lie)
			if err == nil {
				t.Fatalf("not caught by %d cuts", cuts)
			}
			t.Logf("caught by cut %d: %v", cuts, err)
		})
	}
}
