package report

import (
	"bytes"
	"encoding/json"
	"errors"
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
(none)   7             0             7             0             0             0       0
"\x1b["  at least 2    at least 2    0             at least 2    fewer than 5  0       0
QF7      at least 100  at least 99   fewer than 5  60            6             38      fewer than 5
QOP      at least 98   at least 98   0             97            97            0       fewer than 5
Quay     at least 2    fewer than 5  fewer than 5  0             0             0       fewer than 5
Qz       50            50            0             0             0             50      0
total    at least 259  at least 250  at least 9    at least 159  at least 104  88      at least 3
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
		`{"value":null,"counts":{"accepted":5,` + rest + `"records":5,"refused":0,"suppressed":0}},` +
		`{"value":"QF7","counts":{"accepted":"fewer than 5",` + rest + `"records":"fewer than 5","refused":0,"suppressed":0}}],` +
		`"total":{"value":null,"counts":{"accepted":"at least 6",` + rest + `"records":"at least 6","refused":0,"suppressed":0}}}`
	if err != nil || string(text) != want {
		t.Errorf("%s %v\nwant %s", text, err, want)
	}
}

// Nobody can work out a count of one to four people from a table: behind each table are cohorts in which it is another
// count.
func TestATableTellsNoSmallCount(t *testing.T) {
	tables := map[string][][]int64{}
	see := func(of map[string]Tally, secrets ...int64) {
		text, err := json.Marshal(grouped(t, true, of))
		if err != nil {
			t.Fatal(err)
		}
		tables[string(text)] = append(tables[string(text)], secrets)
	}
	const most = 7 // people in a cell
	for n := range int64(most * most * most * most) {
		a, b, c, d := n%most, n/most%most, n/most/most%most, n/most/most/most
		see(map[string]Tally{"a": {a, b, c, d}}, a, b, c, d, a+b, c+d, a+b+c, a+b+d, b+c+d, a+b+c+d)
		see(map[string]Tally{"a": {3: a, 4: b}, "b": {3: c, 4: d}}, a, b, c, d, a+b, c+d, a+c, b+d, a+b+c+d)
	}
	small := 0
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		for k, n := range tables[table][0] {
			if n == 0 || n >= fewest {
				continue
			}
			small++
			if !slices.ContainsFunc(tables[table], func(other []int64) bool { return other[k] != n }) {
				t.Errorf("count %d is %d in all %d cohorts with the table\n%s", k, n, len(tables[table]), table)
			}
		}
	}
	if small < 500 {
		t.Errorf("only %d small counts were looked for", small)
	}
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
