package shard_test

import (
	"context"
	"hash/maphash"
	"iter"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"pgregory.net/rapid"

	"cohort/ingest/person"
	"cohort/shard"
)

func reached(list []shard.Reached) iter.Seq2[shard.Reached, error] {
	return func(yield func(shard.Reached, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Whatever was sent before: the counts are those of a comparison of each with each.
func TestAnOverlapIsCountedAsByHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := func(route uint8, fields []string) uint64 { return uint64(len(fields[0])) + 10*uint64(route) }
		at := rapid.IntRange(0, 30)
		var entries []entry
		routes := rapid.IntRange(1, 3).Draw(t, "routes")
		for range rapid.IntRange(0, 40).Draw(t, "records") {
			entries = append(entries, entry{
				number: number(t, 100*at.Draw(t, "person")), route: uint8(rapid.IntRange(0, routes-1).Draw(t, "route")),
				fields: []string{"xxxx"[:rapid.IntRange(1, 3).Draw(t, "value")], "town"},
			})
		}
		var exclude []shard.Exclusion
		for range rapid.IntRange(0, 5).Draw(t, "left out") {
			exclude = append(exclude, shard.Exclusion{Number: number(t, 100*at.Draw(t, "person")), Reason: "opted_out"})
		}
		// people 40 and up are known here by the number of another
		var superseded [][2]person.NHSNumber
		for i := range rapid.IntRange(0, 5).Draw(t, "older numbers") {
			superseded = append(superseded, [2]person.NHSNumber{number(t, 100*(40+i)), number(t, 100*at.Draw(t, "person"))})
		}
		o := shard.Options{Shards: rapid.IntRange(1, 5).Draw(t, "shards"), Fields: twoFields, Routes: routes, BatchRows: 4, Exclude: listing(exclude), Superseded: pairs(superseded)}
		dir, err := os.MkdirTemp("", "overlap")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		s := mustBuild(t, dir, incoming(entries, twoFields, 10), o)
		defer func() { _ = s.Close() }()

		mine := map[person.NHSNumber]uint64{}
		for lane := range person.Lane(s.Lanes()) {
			for p, err := range s.Recipients(lane, 0, s.Positions(lane)) {
				if err != nil {
					t.Fatal(err)
				}
				if !p.Suppressed {
					mine[p.Number] = message(p.Route, p.Fields)
				}
			}
		}
		c := s.Compare(dir, message)
		again := map[person.NHSNumber]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			var list []shard.Reached
			var want [2]map[person.NHSNumber]bool
			for i := range want {
				want[i] = map[person.NHSNumber]bool{}
			}
			for range rapid.IntRange(0, 40).Draw(t, "sent") {
				r := shard.Reached{Number: number(t, 100*rapid.IntRange(0, 45).Draw(t, "person")), Message: uint64(rapid.IntRange(0, 23).Draw(t, "message"))}
				list = append(list, r)
				current := r.Number
				for _, p := range superseded {
					if p[0] == r.Number {
						current = p[1]
					}
				}
				m, is := mine[current]
				same := is && r.Message == m
				if is {
					want[0][current] = true
				}
				if same {
					want[1][current], again[current] = true, true
				}
			}
			got, err := c.With(context.Background(), reached(list))
			if err != nil {
				t.Fatal(err)
			}
			if w := (shard.Overlap{Reached: int64(len(want[0])), Same: int64(len(want[1]))}); got != w {
				t.Fatalf("%+v, and by hand %+v", got, w)
			}
		}
		if c.Again != int64(len(again)) {
			t.Fatalf("%d people again, and by hand %d", c.Again, len(again))
		}
		if left, err := os.ReadDir(dir); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name()[0] == 'o' }) {
			t.Fatalf("files are left: %v %v", left, err)
		}
	})
}

// A comparison of 340,000 people with as many is exact to the person, and takes the memory
// of one shard and of a byte a record.
func TestAComparisonTakesNoMoreMemoryWithTheCohort(t *testing.T) {
	if slowed || testing.Short() {
		t.Skip("340,000 records are for a full run without the race detector")
	}
	seed := maphash.MakeSeed()
	most := func(n int) uint64 {
		live := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		seen := map[person.NHSNumber]bool{} // check digits make neighbours of some numbers
		made := func(yield func(arrow.Record, error) bool) {
			for at := 0; at < n; at += 1000 {
				entries := make([]entry, 1000)
				for i := range entries {
					entries[i] = entry{number: number(t, 2*(at+i)), fields: []string{"a value of " + number(t, 2*(at+i)).Digits(), "a town"}}
					seen[entries[i].number] = true
				}
				for r := range incoming(entries, twoFields, 1000) {
					if !yield(r, nil) {
						return
					}
				}
			}
		}
		s := closing(t, mustBuild(t, t.TempDir(), made, shard.Options{Shards: n / 10_000, Fields: twoFields, BatchRows: 512}))
		numbers := slices.Collect(func(yield func(person.NHSNumber) bool) {
			for n := range seen {
				if !yield(n) {
					return
				}
			}
		})
		slices.Sort(numbers)
		seen = nil
		before, peak, calls := live(), uint64(0), 0
		look := func() {
			if now := live(); now > before {
				peak = max(peak, now-before)
			}
		}
		c := s.Compare(t.TempDir(), func(_ uint8, fields []string) uint64 {
			if calls++; calls%(n/40) == 0 { // while a shard is in memory
				look()
			}
			return maphash.String(seed, fields[0]) | 1
		})
		// every third person has had this message, every third another, every third none
		var want shard.Overlap
		got, err := c.With(t.Context(), func(yield func(shard.Reached, error) bool) {
			for i, number := range numbers {
				r := shard.Reached{Number: number, Message: 2}
				switch i % 3 {
				case 0:
					r.Message = maphash.String(seed, "a value of "+number.Digits()) | 1
					want.Reached, want.Same = want.Reached+1, want.Same+1
				case 1:
					want.Reached++
				default:
					continue
				}
				if i%(len(numbers)/20) == 0 {
					look()
				}
				if !yield(r, nil) {
					return
				}
			}
		})
		look()
		if err != nil || got != want || c.Again != want.Same || want.Same < int64(n)/4 {
			t.Errorf("%+v and not %+v, %d again: %v", got, want, c.Again, err)
		}
		return peak
	}
	small, large := most(34_000), most(340_000)
	t.Logf("most live memory: %d KiB for 34,000 people, %d KiB for 340,000", small>>10, large>>10)
	if large > small+2<<20 {
		t.Errorf("34,000 people took %d KiB and 340,000 take %d KiB", small>>10, large>>10)
	}
}
