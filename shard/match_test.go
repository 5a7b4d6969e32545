package shard_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// What a list leaves out afterwards is what it would have left out when the spool was
// built: the same records, for the same reasons.
func TestAListFindsWhomItWouldHaveLeftOut(t *testing.T) {
	entries := people(t, 3000)
	entries = append(entries, entries[10:40]...) // duplicates of them
	for i := range 200 {
		entries[5*i].withdrawn = true
	}
	var list []shard.Exclusion
	for i := 0; i < 3000; i += 7 {
		list = append(list, shard.Exclusion{Number: entries[i].number, Reason: []string{"opted_out", "deceased_formal", "sensitive"}[i%3]})
	}
	list = append(list, shard.Exclusion{Number: entries[7].number, Reason: "second"}, shard.Exclusion{Number: number(t, 900_000), Reason: "nobody"})
	for _, rule := range []shard.Rule{shard.First, shard.Last} {
		o := shard.Options{Shards: 5, Fields: twoFields, Duplicates: rule, BatchRows: 64}
		plain := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), o))
		o.Exclude = listing(list)
		without := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), o))
		want := map[shard.Listed]bool{}
		for _, r := range all(t, without.Records()) {
			if r.Fate == person.Suppressed && r.Code != person.CodeWithdrawn {
				want[shard.Listed{Lane: person.Lane(r.Shard), Position: r.Position, Reason: r.Code}] = true
			}
		}
		for _, r := range all(t, plain.Records()) { // whom the record itself withdraws is left out already
			if r.Fate == person.Suppressed {
				for _, reason := range []string{"opted_out", "deceased_formal", "sensitive"} {
					delete(want, shard.Listed{Lane: person.Lane(r.Shard), Position: r.Position, Reason: reason})
				}
			}
		}
		dir := t.TempDir()
		m, err := plain.Match(t.Context(), dir, listing(list))
		if err != nil {
			t.Fatal(err)
		}
		last := shard.Listed{Lane: -1}
		for l, err := range m.Listed(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if !want[l] {
				t.Errorf("%s: %+v is found and should not be", rule, l)
			}
			if l.Lane < last.Lane || l.Lane == last.Lane && l.Position <= last.Position {
				t.Errorf("%s: %+v comes behind %+v", rule, l, last)
			}
			last = l
			delete(want, l)
		}
		if len(want) > 0 {
			t.Errorf("%s: %d are not found", rule, len(want))
		}
		m.Close()
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %s is left behind", rule, left[0].Name())
		}
	}
}

func TestAListThatEndsInAnErrorFindsNobody(t *testing.T) {
	s := closing(t, mustBuild(t, t.TempDir(), incoming(people(t, 10), twoFields, 100), shard.Options{Shards: 2, Fields: twoFields}))
	cut := errors.New("the list is cut short")
	dir := t.TempDir()
	_, err := s.Match(t.Context(), dir, func(yield func(shard.Exclusion, error) bool) {
		_ = yield(shard.Exclusion{Number: number(t, 0), Reason: "r"}, nil) && yield(shard.Exclusion{}, cut)
	})
	if !errors.Is(err, cut) {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.Match(ended, dir, listing([]shard.Exclusion{{Number: number(t, 0), Reason: "r"}})); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s is left behind", left[0].Name())
	}
}
