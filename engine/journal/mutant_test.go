package journal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cohort/engine/disk"
	"cohort/engine/disk/crashfs"
)

// The power-cut filesystem knows the sync of a header by its size.
var _ [headerSize]struct{} = [crashfs.SegmentHeader]struct{}{}

// mutant is a log with a fault planted in it. The zero mutant is the honest log.
type mutant struct {
	lie  func() func(op, name string) bool // what the filesystem leaves undone
	late bool                              // a sync is reported before it takes place
	fs   func(disk.FS) disk.FS
	log  func(*Log) taker
}

// on plants the faults of the filesystem.
func (m mutant) on(fsys *crashfs.FS) disk.FS {
	if m.lie != nil {
		fsys.Lie = m.lie()
	}
	fsys.Late = m.late
	if m.fs != nil {
		return m.fs(fsys)
	}
	return fsys
}

// over plants the faults of the committer.
func (m mutant) over(l *Log) taker {
	if m.log != nil {
		return m.log(l)
	}
	return l
}

// undone leaves out an operation; with a name, only upon that.
func undone(op, name string) func() func(string, string) bool {
	return func() func(string, string) bool {
		return func(o, n string) bool { return o == op && (name == "" || n == name) }
	}
}

// undoneAfterRename leaves the sync of the directory out, except where a segment was
// just renamed.
func undoneAfterRename() func(op, name string) bool {
	last := ""
	return func(op, name string) bool {
		before := last
		last = op
		return op == "syncdir" && name == "log" && before != "rename"
	}
}

// eager acknowledges a record before the sync of its group, which takes place with the
// next record.
type eager struct{ *Log }

func (l eager) Commit(t Type, payload []byte) error {
	if err := l.Log.Flush(); err != nil {
		return err
	}
	return l.Log.Append(t, payload)
}

// backward acknowledges intents at once and writes them after the outcomes that came
// since.
type backward struct {
	*Log
	held *[]heldRecord
}

type heldRecord struct {
	t       Type
	payload []byte
}

func (l backward) Commit(t Type, payload []byte) error {
	*l.held = append(*l.held, heldRecord{t, payload})
	if len(*l.held) < 2 {
		return nil
	}
	return l.Flush()
}

func (l backward) Flush() error {
	if err := l.Log.Flush(); err != nil {
		return err
	}
	for _, h := range *l.held {
		if err := l.Log.Commit(h.t, h.payload); err != nil {
			return err
		}
	}
	*l.held = nil
	return nil
}

// stubborn syncs again when a sync fails.
type stubborn struct{ disk.FS }

func (s stubborn) Create(name string) (disk.File, error) {
	f, err := s.FS.Create(name)
	return stubbornFile{f}, err
}

type stubbornFile struct{ disk.File }

func (f stubbornFile) Sync() error {
	err := f.File.Sync()
	if errors.Is(err, syscall.EIO) {
		err = f.File.Sync()
	}
	return err
}

// careless takes a short write for a whole one.
type careless struct{ disk.FS }

func (s careless) Create(name string) (disk.File, error) {
	f, err := s.FS.Create(name)
	return carelessFile{f}, err
}

type carelessFile struct{ disk.File }

func (f carelessFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if err == nil {
		n = len(b)
	}
	return n, err
}

// A proof counts only if it fails when the thing is broken. Each fault is planted in
// turn and meets the same stories that the honest log survives.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for name, m := range map[string]mutant{
		"no sync of the data":                       {lie: undone("sync", "")},
		"no sync before the rename of a segment":    {lie: undone("syncheader", "")},
		"no sync of the directory":                  {lie: undone("syncdir", "log")},
		"no sync of the directory at Open":          {lie: func() func(string, string) bool { return undoneAfterRename() }},
		"no sync of the parent":                     {lie: undone("syncdir", ".")},
		"no settling of the last segment":           {lie: undone("settle", "")},
		"acknowledged before the sync, by the disk": {late: true},
		"acknowledged before the sync, by the log":  {log: func(l *Log) taker { return eager{l} }},
		"an outcome acknowledged before its intent": {log: func(l *Log) taker { return backward{l, new([]heldRecord)} }},
		"a sync that failed is tried again":         {fs: func(f disk.FS) disk.FS { return stubborn{f} }},
		"a short write is taken for a whole one":    {fs: func(f disk.FS) disk.FS { return careless{f} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told, caught := 0, error(nil)
			for _, stage := range []struct {
				name  string
				seeds int
				tell  func(crash) error
			}{
				{"a power cut", 5, powerCutStory},
				{"a failing operation", 10, failingStory},
				{"a power cut that kept some sectors", 10, sectorStory},
				{"a power cut", 200, powerCutStory},
			} {
				told += everyCut(t, stage.seeds, crash{mutant: m}, func(c crash) bool {
					if caught = stage.tell(c); caught != nil {
						caught = fmt.Errorf("seed %d, operation %d: %w", c.seed, c.cut, caught)
					}
					return caught == nil
				})
				if caught != nil {
					t.Logf("%s: caught by %s, story %d: %s", name, stage.name, told, strings.ReplaceAll(caught.Error(), "\n", ": "))
					return
				}
			}
			t.Errorf("not caught by %d stories", told)
		})
	}
}

func powerCutStory(c crash) error {
	c.ends = []int{crashfs.Killed, crashfs.PowerCut}
	_, err := c.tell()
	return err
}

func sectorStory(c crash) error {
	c.ends, c.wide = []int{crashfs.Killed, crashfs.SectorsCut}, true
	_, err := c.tell()
	return err
}

func failingStory(c crash) error {
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		if err := failing(c.seed, c.cut, 1, faults[name], c.mutant, func(*Log) {}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
