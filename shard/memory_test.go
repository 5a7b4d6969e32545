package shard_test

import (
	"iter"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/ingest/person"
	"cohort/shard"
)

// Ten times the records must not take more memory, but for what grows by design: a byte
// a record of verdicts, and the numbers of one shard.
func TestMemoryDoesNotGrowWithTheCohort(t *testing.T) {
	if slowed || testing.Short() {
		t.Skip("half a million records are for a full run without the race detector")
	}
	small, large := peak(t, 50_000), peak(t, 500_000)
	t.Logf("most live memory: %d KiB for 50,000 records, %d KiB for 500,000", small>>10, large>>10)
	if large > small+8<<20 {
		t.Errorf("50,000 records took %d KiB and 500,000 take %d KiB", small>>10, large>>10)
	}
}

// peak builds and reads a spool of so many records and returns the most memory that was
// live on the way, over what was live before.
func peak(t *testing.T, n int) uint64 {
	t.Helper()
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := live(), uint64(0)
	look := func() {
		if now := live(); now > before {
			most = max(most, now-before)
		}
	}
	made := func(yield func(arrow.Record, error) bool) {
		const each = 1000
		row := 0
		for batch := range n / each {
			entries := make([]entry, each)
			for i := range entries {
				row++
				entries[i] = entry{number: number(t, row), fields: []string{"a given name of some length", "a town"}}
			}
			for r := range incoming(entries, twoFields, each) {
				if !yield(r, nil) {
					return
				}
			}
			if batch%(n/each/5) == n/each/5-1 {
				look()
			}
		}
	}
	var last iter.Seq2[shard.Exclusion, error] = func(func(shard.Exclusion, error) bool) { look() }
	s := closing(t, mustBuild(t, t.TempDir(), made, shard.Options{Shards: 8, Fields: twoFields, BatchRows: 512, Exclude: last}))
	look()
	count, duplicates := 0, 0
	for r, err := range s.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if r.Fate == person.Duplicate {
			duplicates++
		}
		if count++; count%(n/2) == 0 {
			look()
		}
	}
	if count != n || int64(duplicates) != s.Manifest.Duplicate {
		t.Errorf("%d records, %d duplicates", count, duplicates)
	}
	return most
}
