package intake

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	for _, test := range []struct {
		numbers []uint64
		want    int64
	}{{nil, 0}, {[]uint64{5}, 1}, {[]uint64{5, 6, 5, 7, 6, 5}, 3}} {
		if got := different(test.numbers); got != test.want {
			t.Errorf("%d different numbers in %v", got, test.numbers)
		}
	}
	var many []uint64
	for i := range uint64(5000) { // numbers that meet in the table
		many = append(many, 9_000_000_000+i<<17, 9_000_000_000+i<<17)
	}
	if got := different(many); got != 5000 {
		t.Errorf("%d different numbers of 5000", got)
	}
}
