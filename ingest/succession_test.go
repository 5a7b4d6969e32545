package ingest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"pgregory.net/rapid"

	"cohort/ingest/person"
)

func TestChainsOfSupersededNumbers(t *testing.T) {
	for sentence, test := range map[string]struct {
		links []link
		want  map[person.NHSNumber]person.NHSNumber // or circular, or forked
	}{
		"none":                           {nil, map[person.NHSNumber]person.NHSNumber{10: 10}},
		"one":                            {[]link{{10, 20}}, map[person.NHSNumber]person.NHSNumber{10: 20, 20: 20, 30: 30}},
		"said twice":                     {[]link{{10, 20}, {10, 20}}, map[person.NHSNumber]person.NHSNumber{10: 20}},
		"a chain, last link first":       {[]link{{30, 40}, {20, 30}, {10, 20}}, map[person.NHSNumber]person.NHSNumber{10: 40, 20: 40, 30: 40, 40: 40}},
		"two that become one":            {[]link{{10, 30}, {20, 30}}, map[person.NHSNumber]person.NHSNumber{10: 30, 20: 30}},
		"by itself":                      {[]link{{10, 10}}, map[person.NHSNumber]person.NHSNumber{10: circular}},
		"a circle, and what leads to it": {[]link{{10, 20}, {20, 30}, {30, 20}, {40, 50}}, map[person.NHSNumber]person.NHSNumber{10: circular, 20: circular, 30: circular, 40: 50}},
		"a fork, and what leads to it":   {[]link{{10, 20}, {20, 30}, {20, 40}, {30, 50}}, map[person.NHSNumber]person.NHSNumber{10: forked, 20: forked, 30: 50, 40: 40}},
	} {
		s := newSuccession(test.links)
		for n, want := range test.want {
			got, verdict := s.of(n)
			ok := verdict == sendable && got == want
			switch want {
			case circular:
				ok = verdict == inCircle
			case forked:
				ok = verdict == inFork
			}
			if !ok {
				t.Errorf("%s: %d became %d, verdict %d", sentence, n, got, verdict)
			}
		}
	}
}

// However the links lie, every chain ends where a person who follows it by hand ends.
func TestChainsEndWhereTheyLead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var links []link
		next := map[person.NHSNumber]map[person.NHSNumber]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "links") {
			l := link{person.NHSNumber(rapid.IntRange(10, 30).Draw(t, "old")), person.NHSNumber(rapid.IntRange(10, 40).Draw(t, "next"))}
			links = append(links, l)
			if next[l.old] == nil {
				next[l.old] = map[person.NHSNumber]bool{}
			}
			next[l.old][l.next] = true
		}
		rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
		s := newSuccession(links)
		for n := person.NHSNumber(10); n <= 40; n++ {
			want, verdict := n, sendable
			for steps := 0; len(next[want]) > 0; steps++ {
				if len(next[want]) > 1 {
					verdict = inFork
					break
				}
				if steps == 50 {
					verdict = inCircle
					break
				}
				for to := range next[want] {
					want = to
				}
			}
			if got, v := s.of(n); v != verdict || v == sendable && got != want {
				t.Fatalf("%d became %d, verdict %d; want %d, %d", n, got, v, want, verdict)
			}
		}
	})
}

// Another cohort may know a person by any number of a chain, also of one that forks or goes
// round in a circle: what is yielded connects the same numbers as the links do.
func TestNoLinkIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var links []link
		for range rapid.IntRange(0, 12).Draw(t, "links") {
			links = append(links, link{person.NHSNumber(rapid.IntRange(10, 22).Draw(t, "old")), person.NHSNumber(rapid.IntRange(10, 24).Draw(t, "next"))})
		}
		given := slices.Clone(links) // newSuccession sorts them
		want := person.NewSets(func(yield func(a, b person.NHSNumber) bool) {
			for _, l := range given {
				if !yield(l.old, l.next) {
					return
				}
			}
		})
		d := &Reader{checker: checker{rules: rules{succession: newSuccession(links)}}}
		got := person.NewSets(d.Superseded())
		for n := person.NHSNumber(10); n <= 24; n++ {
			if !slices.Equal(got.Of(n), want.Of(n)) {
				t.Fatalf("%d is one of %v, and the links say %v: %v", n, got.Of(n), want.Of(n), given)
			}
		}
	})
}

func TestSupersededNumbersAreFollowedBeforeAnythingElse(t *testing.T) {
	n := []string{"", "9990000018", "9990000026", "9990000034", "9990000042", "9990000050", "9990000069", "9990000077"} // made, of nobody
	text := "nhs_number,name,replaced_by\n" +
		n[1] + ",Ann," + n[2] + "\n" + // to the end of the chain, which a later record goes on with
		n[2] + ",Ann," + n[3] + "\n" +
		n[3] + ",Ann,\n" +
		n[4] + ",Bo,\n" +
		n[5] + ",Cy," + n[6] + "\n" + // a circle
		n[6] + ",Cy," + n[5] + "\n" +
		n[7] + ",Di,oops\n" +
		"bad,Ed," + n[4] + "\n" +
		n[1] + ",," + n[2] + "\n" // invalid for its name
	path := filepath.Join(t.TempDir(), "cohort.csv")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(text)
	o := Options{Fields: []string{"name"}, Required: []string{"name"}, SupersededBy: "replaced_by"}
	d, err := Open(t.Context(), []string{path}, o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for batch, err := range d.Records() {
		if err != nil {
			t.Fatal(err)
		}
		numbers, codes := batch.Column(person.ColumnNumber).(*array.Uint64), batch.Column(person.ColumnCode).(*array.String)
		for i := range numbers.Len() {
			if numbers.IsNull(i) {
				got = append(got, codes.Value(i))
			} else {
				got = append(got, person.NHSNumber(numbers.Value(i)).Digits())
			}
		}
	}
	want := []string{n[3], n[3], n[3], n[4], "superseded_cycle", "superseded_cycle", "bad_number", "bad_number", "empty_required"}
	if !slices.Equal(got, want) {
		t.Errorf("the records are %q, not %q", got, want)
	}
	var pairs []string
	for old, current := range d.Superseded() {
		pairs = append(pairs, old.Digits()+" "+current.Digits())
	}
	if !slices.Equal(pairs, []string{n[1] + " " + n[3], n[2] + " " + n[3], n[5] + " " + n[6], n[6] + " " + n[5]}) {
		t.Errorf("superseded are %q", pairs)
	}

	// a file that changes between the two readings is refused
	if d, err = Open(t.Context(), []string{path}, o); err != nil {
		t.Fatal(err)
	}
	if _, err = d.Digest(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(strings.Replace(text, "Bo", "Co", 1))
	for _, err = range d.Records() {
	}
	if err == nil || !strings.Contains(err.Error(), "the file changed while it was read") {
		t.Errorf("a changed file: %v", err)
	}
}
