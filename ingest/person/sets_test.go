package person_test

import (
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cohort/ingest/person"
)

// Against sets that are merged one link after another.
func TestSetsAreWhatLinksConnect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) person.NHSNumber { return person.NHSNumber(rapid.IntRange(1, 30).Draw(t, "n")) })
		links := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]person.NHSNumber {
			return [2]person.NHSNumber{number.Draw(t, "a"), number.Draw(t, "b")}
		}), 0, 25).Draw(t, "links")
		sets := map[person.NHSNumber][]person.NHSNumber{}
		for n := person.NHSNumber(1); n <= 30; n++ {
			sets[n] = []person.NHSNumber{n}
		}
		for _, l := range links {
			if all := slices.Concat(sets[l[0]], sets[l[1]]); !slices.Contains(sets[l[0]], l[1]) {
				slices.Sort(all)
				for _, n := range all {
					sets[n] = all
				}
			}
		}
		made := person.NewSets(func(yield func(a, b person.NHSNumber) bool) {
			for _, l := range links {
				if !yield(l[0], l[1]) {
					return
				}
			}
		})
		for n, want := range sets {
			if got := made.Of(n); !slices.Equal(got, want) {
				t.Fatalf("%d is one of %v, not of %v; links %v", n, want, got, links)
			}
		}
	})
}

func TestNoSets(t *testing.T) {
	var none *person.Sets
	var nobody iter.Seq2[person.NHSNumber, person.NHSNumber] = func(func(a, b person.NHSNumber) bool) {}
	for _, s := range []*person.Sets{none, person.NewSets(nobody)} {
		if got := s.Of(7); !slices.Equal(got, []person.NHSNumber{7}) {
			t.Errorf("7 is one of %v", got)
		}
	}
}
