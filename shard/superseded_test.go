package shard_test

import (
	"iter"
	"slices"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// pairs yields old numbers with their newer ones.
func pairs(p [][2]person.NHSNumber) iter.Seq2[person.NHSNumber, person.NHSNumber] {
	return func(yield func(old, current person.NHSNumber) bool) {
		for _, x := range p {
			if !yield(x[0], x[1]) {
				return
			}
		}
	}
}

// The records bear the current numbers; a list may know a person by an older one, when
// the spool is built and ever after.
func TestEitherNumberOfAPersonLeavesHimOut(t *testing.T) {
	entries := people(t, 300)
	old := func(i int) person.NHSNumber { return number(t, 500_000+100*i) }
	var superseded [][2]person.NHSNumber
	for i := range 20 {
		superseded = append(superseded, [2]person.NHSNumber{old(i), entries[i].number})
	}
	list := []shard.Exclusion{{Number: old(3), Reason: "by_old"}, {Number: entries[4].number, Reason: "by_current"}, {Number: old(4), Reason: "second"}, {Number: entries[200].number, Reason: "never_changed"}}
	want := map[person.NHSNumber]string{entries[3].number: "by_old", entries[4].number: "by_current", entries[200].number: "never_changed"}
	o := shard.Options{Shards: 5, Fields: twoFields, Superseded: pairs(superseded)}
	plain := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), o))
	o.Exclude = listing(list)
	without := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), o))
	left := map[person.NHSNumber]string{}
	for _, r := range all(t, without.Records()) {
		if r.Fate == person.Suppressed {
			n, err := person.ParseNHSNumber(r.Number)
			if err != nil {
				t.Fatal(err)
			}
			left[n] = r.Code
		}
	}
	if len(left) != len(want) {
		t.Errorf("%d are left out", len(left))
	}
	for n, code := range want {
		if left[n] != code {
			t.Errorf("one is left out for %q and not for %q", left[n], code)
		}
	}
	m, err := plain.Match(t.Context(), t.TempDir(), listing(list))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var found []string
	for l, err := range m.Listed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, l.Reason)
	}
	slices.Sort(found)
	if !slices.Equal(found, []string{"by_current", "by_old", "never_changed"}) {
		t.Errorf("the list finds %q", found)
	}
	var told [][2]person.NHSNumber
	for o, current := range plain.Superseded() {
		told = append(told, [2]person.NHSNumber{o, current})
	}
	if !slices.Equal(told, superseded) {
		t.Errorf("the spool tells %d superseded numbers", len(told))
	}
}

func TestSupersededNumbersOutOfOrderAreRefused(t *testing.T) {
	a, b := number(t, 1), number(t, 2000)
	_, err := shard.Build(t.Context(), t.TempDir(), incoming(people(t, 3), twoFields, 100), shard.Options{Shards: 1, Fields: twoFields, Superseded: pairs([][2]person.NHSNumber{{b, a}, {a, b}})})
	if err == nil {
		t.Error("they were taken")
	}
}
