package intake

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest"
	"cohort/shard"
)

// product is near enough to what a send does; the real one is measured through the
// command, in cmd/cohort.
func product() Product {
	o := ingest.Options{Fields: []string{"given_name"}, Required: []string{"appointment_date"}, Types: map[string]ingest.Type{"appointment_date": "date"}, Only: ingest.TestNumbers}
	return Product{o, func(ctx context.Context, file, folder string, exclude iter.Seq2[shard.Exclusion, error]) (shard.Manifest, error) {
		r, err := ingest.Open(ctx, []string{file}, o)
		if err != nil {
			return shard.Manifest{}, err
		}
		m, _, err := shard.Build(ctx, folder, r.Records(), shard.Options{Shards: 4, Fields: o.Fields, Exclude: exclude})
		return m, err
	}}
}

func TestEveryPartCountsTheSame(t *testing.T) {
	m, err := makeMaterial(t.Context(), t.TempDir(), 4000, 7, packings(parts)...)
	if err != nil {
		t.Fatal(err)
	}
	if m.truth[countSuppressed] == 0 || m.truth[countPeople] >= m.truth[countValid] || m.truth[countValid] >= m.truth[countRecords] || m.truth[countLines] <= m.truth[countRecords]+1 {
		t.Errorf("the file is too simple: %v", m.truth)
	}
	for _, p := range parts {
		r, err := Task{p.name, m.file(p.packing), m.list(), t.TempDir(), product()}.Run(t.Context())
		if _, missing := exec.LookPath("duckdb"); p.name == "duckdb" && missing != nil {
			if err != nil || !strings.Contains(r.Absent, "not installed") {
				t.Errorf("there is no duckdb: %+v, %v", r, err)
			}
			continue
		}
		if err == nil {
			err = r.Counts.against(m.truth, p.counts)
		}
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

// One record less, one valid number more, a person twice: each is found.
func TestAMiscountIsFound(t *testing.T) {
	truth := Counts{countRecords: 10, countValid: 8, countPeople: 7}
	for sentence, test := range map[string]struct {
		counts Counts
		words  string
	}{
		"all as it is":                    {Counts{countRecords: 10, countValid: 8, countPeople: 7}, ""},
		"a record is lost":                {Counts{countRecords: 9, countValid: 8, countPeople: 7}, "9 records instead of 10"},
		"a bad number is taken":           {Counts{countRecords: 10, countValid: 9, countPeople: 7}, "9 valid instead of 8"},
		"somebody counts twice":           {Counts{countRecords: 10, countValid: 8, countPeople: 8}, "8 people instead of 7"},
		"nobody counted people":           {Counts{countRecords: 10, countValid: 8}, "people were not counted"},
		"something else was counted also": {Counts{countRecords: 10, countValid: 8, countPeople: 7, countLines: 3}, ""},
	} {
		err := test.counts.against(truth, people)
		if test.words == "" && err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
		if _, is := errors.AsType[*Miscount](err); test.words != "" && (!is || !strings.Contains(err.Error(), test.words)) {
			t.Errorf("%s: got %v", sentence, err)
		}
	}
}

func TestPartsOfFilesThatAreNotThereFail(t *testing.T) {
	for _, p := range parts {
		if _, missing := exec.LookPath("duckdb"); p.name == "duckdb" && missing != nil {
			continue
		}
		task := Task{p.name, filepath.Join(t.TempDir(), "nothing.csv"), "nothing.txt", t.TempDir(), product()}
		if _, err := task.Run(t.Context()); err == nil {
			t.Errorf("%s has read a file that is not there", p.name)
		}
	}
	if _, err := (Task{Part: "nonsense"}).Run(t.Context()); err == nil {
		t.Error("a part that is not there has run")
	}
}

// The list is read as it is used, and what is wrong with it is said.
func TestAListWithNonsenseInItIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte("9990000018\nnonsense\n9990000026\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	people, refused := 0, 0
	for _, err := range listed(path) {
		if err != nil {
			refused++
		} else {
			people++
		}
	}
	if people != 1 || refused != 1 {
		t.Errorf("%d people and %d errors", people, refused)
	}
}

func TestACensusCountsEverybodyOnce(t *testing.T) {
	var meeting []uint64 // in one shard
	for nine := uint32(1); len(meeting) < 5000; nine++ {
		if spread(nine)>>(32-censusBits) == 7 {
			meeting = append(meeting, uint64(nine)*10, uint64(nine)*10)
		}
	}
	var many []uint64
	for i := range uint64(50_000) {
		many = append(many, 10+10*(i%20_000), 9_999_999_990-10*(i%20_000))
	}
	for sentence, test := range map[string]struct {
		numbers []uint64
		want    int64
	}{
		"nobody":                  {nil, 0},
		"one person":              {[]uint64{50}, 1},
		"some, several times":     {[]uint64{50, 60, 50, 70, 60, 50}, 3},
		"the least and the most":  {[]uint64{10, 9_999_999_990}, 2},
		"many in their shards":    {many, 40_000},
		"many in a single shard":  {meeting, int64(len(distinctOf(meeting)))},
		"more than a table holds": {append(slices.Clone(many), meeting...), int64(len(distinctOf(many, meeting)))},
	} {
		b := array.NewUint64Builder(memory.DefaultAllocator)
		b.AppendNull()
		b.AppendValues(test.numbers, nil)
		var c census
		c.add(b.NewUint64Array())
		if got := c.people(); got != test.want {
			t.Errorf("%s: %d people instead of %d", sentence, got, test.want)
		}
	}
}

func distinctOf(lists ...[]uint64) map[uint64]bool {
	set := map[uint64]bool{}
	for _, list := range lists {
		for _, n := range list {
			set[n] = true
		}
	}
	return set
}
