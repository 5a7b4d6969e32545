package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// grouped makes groups of some tallies, by value.
func grouped(t *testing.T, known bool, of map[string]Tally) *Groups {
	t.Helper()
	by := &grouping{in: &Input{}, into: &Groups{Column: "icb"}, tally: map[string]*Tally{}, known: known}
	for value, n := range of {
		by.tally[value] = &n
	}
	if err := by.close(nil); err != nil {
		t.Fatal(err)
	}
	return by.into
}

// Of a tally: read, delivered, failed, unknown, and refused.
func TestFewPeopleAreNotCounted(t *testing.T) {
	var out bytes.Buffer
	grouped(t, true, map[string]Tally{
		"":      {0, 0, 0, 0, 7},
		"QF7":   {6, 54, 38, 2, 3},
		"QOP":   {97, 0, 0, 3},
		"\x1b[": {1, 3},
		"Quay":  {0, 0, 0, 3, 3},
		"Qz":    {0, 0, 50},
	}).Print(&out)
	want := strings.TrimLeft(`
icb      records       accepted      refused       delivered     read          failed  not_known
(none)   at least 5    0             at least 5    0             0             0       0
"\x1b["  at least 2    at least 2    0             at least 2    fewer than 5  0       0
QF7      at least 98   at least 97   fewer than 5  at least 58   at least 5    38      fewer than 5
QOP      at least 97   at least 97   0             at least 96   at least 96   0       fewer than 5
Quay     at least 2    fewer than 5  fewer than 5  0             0             0       fewer than 5
Qz       50            50            0             0             0             50      0
total    at least 254  at least 247  at least 7    at least 156  at least 102  88      at least 3
"at least" is a minimum, which may fall when more is known; cohort status has the exact totals of the run
`, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestGroupsAsJSON(t *testing.T) {
	text, err := json.Marshal(grouped(t, false, map[string]Tally{"": {cellUnknown: 5}, "QF7": {cellUnknown: 2}}))
	const rest = `"duplicate":0,"in_doubt":0,"invalid":0,"not_sent":0,`
	want := `{"column":"icb","as_of":"0001-01-01T00:00:00Z","groups":[` +
		`{"value":null,"counts":{"accepted":"at least 5",` + rest + `"records":"at least 5","refused":0,"suppressed":0}},` +
		`{"value":"QF7","counts":{"accepted":"fewer than 5",` + rest + `"records":"fewer than 5","refused":0,"suppressed":0}}],` +
		`"total":{"value":null,"counts":{"accepted":"at least 6",` + rest + `"records":"at least 6","refused":0,"suppressed":0}}}`
	if err != nil || string(text) != want {
		t.Errorf("%s %v\nwant %s", text, err, want)
	}
}

// seen are the secret counts of cohorts, by what is shown of them.
type seen map[string][][]int64

func (s seen) see(t *testing.T, of map[string]Tally, total int64, secrets ...int64) {
	t.Helper()
	text, err := json.Marshal(grouped(t, true, of))
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("in all %d: %s", total, text)
	s[key] = append(s[key], secrets)
}

// tell looks for counts of one to four people that nobody else may know, in cohorts without a count of beyond.
func (s seen) tell(t *testing.T, beyond int64, exempt func([]int64) bool) {
	t.Helper()
	small := 0
	for _, table := range slices.Sorted(maps.Keys(s)) {
		inside := slices.IndexFunc(s[table], func(counts []int64) bool { return !slices.Contains(counts, beyond) })
		if inside < 0 || exempt(s[table][inside]) {
			continue
		}
		for k, n := range s[table][inside] {
			if n == 0 || n >= fewest {
				continue
			}
			small++
			if !slices.ContainsFunc(s[table], func(other []int64) bool { return other[k] != n }) {
				t.Errorf("count %d is %d in all %d cohorts with the table\n%s", k, n, len(s[table]), table)
			}
		}
	}
	if small < 500 {
		t.Errorf("only %d small counts were looked for", small)
	}
}

// Nobody can work out a count of one to four people from a table: behind each table are cohorts in which it is another
// count.
func TestATableTellsNoSmallCount(t *testing.T) {
	tables := seen{}
	const most = 10 // people in a cell
	for n := range int64(most * most * most * most) {
		a, b, c, d := n%most, n/most%most, n/most/most%most, n/most/most/most
		if max(a, b, c, d) < 7 {
			tables.see(t, map[string]Tally{"a": {a, b, c, d}}, -1, a, b, c, d, a+b, c+d, a+b+c, a+b+d, b+c+d, a+b+c+d)
		}
		tables.see(t, map[string]Tally{"a": {3: a, 4: b}, "b": {3: c, 4: d}}, -1, a, b, c, d, a+b, c+d, a+c, b+d, a+b+c+d)
	}
	tables.tell(t, most-1, func([]int64) bool { return false })
}

// The totals of the run, which others show, do not change that: with them, too, a small count can be another one. It is
// told only when too few people have such a count in other groups.
func TestTotalsTellNoSmallCount(t *testing.T) {
	tables := seen{}
	const most = 14 // people in a group
	for n := range int64(most * most * most * 4) {
		a, b, c, d := n%most, n/most%most, n/most/most%most, n/most/most/most
		tables.see(t, map[string]Tally{"a": {2: a}, "b": {2: b}, "c": {2: c}, "d": {2: d}}, a+b+c+d, a, b, c, d)
	}
	tables.tell(t, most-1, func(counts []int64) bool {
		few, spare, others := int64(0), int64(0), false
		for _, n := range counts {
			if spare += n; n >= fewest {
				spare, others = spare-fewest, true
			} else if n > 0 {
				few++
			}
		}
		return spare < few+3 || !others
	})
}

func TestAColumnThatIsNoGroup(t *testing.T) {
	for _, test := range []struct {
		values, each int64
		refused      bool
	}{{1000, 1, false}, {1001, 1, true}, {501, 2, false}, {334, 3, false}, {10_000, 1, true}} {
		by := &grouping{in: &Input{}, into: &Groups{}, tally: map[string]*Tally{}}
		for i := range test.values {
			by.tally[strconv.FormatInt(i, 10)] = &Tally{cellUnknown: test.each}
		}
		if err := by.close(nil); errors.Is(err, ErrManyGroups) != test.refused {
			t.Errorf("%d values of %d records each: %v", test.values, test.each, err)
		}
	}
}
