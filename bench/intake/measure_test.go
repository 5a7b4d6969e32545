package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"cohort/bench"
)

// fake is a child that runs its part in this process, but for what a test changes.
type fake struct {
	ran    []string
	change func(*Result, Task)
}

func (f *fake) child(ctx context.Context, cores int, t Task) (Result, error) {
	f.ran = append(f.ran, fmt.Sprint(t.Part, "/", cores))
	t.Product = product()
	r, err := t.Run(ctx)
	if f.change != nil {
		f.change(&r, t)
	}
	return r, err
}

func (f *fake) measure(t *testing.T, o Options) (Report, string, error) {
	o.Parent, o.Child, o.Say = t.TempDir(), f.child, func(string, ...any) {}
	r, err := Measure(t.Context(), o)
	left, e := os.ReadDir(o.Parent)
	if e != nil {
		t.Fatal(e)
	}
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	return r, strings.Join(names, " "), err
}

func TestRoundsGoOverAllPartsInTurn(t *testing.T) {
	var f fake
	r, left, err := f.measure(t, Options{Records: 500, Runs: 2, Only: []string{"floor", "gzip"}})
	if err != nil {
		t.Fatal(err)
	}
	cores := bench.ThisMachine().Cores
	var round []string
	for _, name := range []string{"floor", gunzip, "gzip", baseline} {
		round = append(round, fmt.Sprint(name, "/", cores))
	}
	if !slices.Equal(f.ran, append(slices.Clone(round), round...)) {
		t.Errorf("it ran %v, not twice %v", f.ran, round)
	}
	if len(r.Rows) != len(round) || len(r.Sizes) != 0 {
		t.Errorf("%d rows and %d sizes", len(r.Rows), len(r.Sizes))
	}
	if left != "" {
		t.Errorf("it left %s", left)
	}
}

func TestTheWholePrepareIsMeasuredOnEverySizeOnce(t *testing.T) {
	var f fake
	r, left, err := f.measure(t, Options{Records: 500, Runs: 1, Only: []string{prepare}, Sizes: []int{800, 500, 100, 800}, Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, row := range r.Sizes {
		if row.Part != prepare || row.RowsPerSecond <= 0 || row.ToCSV <= 0 {
			t.Errorf("a row without figures: %+v", row)
		}
		sizes = append(sizes, row.Records)
	}
	if !slices.Equal(sizes, []int64{100, 500, 800}) {
		t.Errorf("sizes %v", sizes)
	}
	if left == "" {
		t.Error("the files are to be kept, and are not")
	}
}

func TestAMiscountEndsTheMeasurement(t *testing.T) {
	f := fake{change: func(r *Result, t Task) {
		if t.Part == "distinct" {
			r.Counts[countPeople]--
		}
	}}
	_, left, err := f.measure(t, Options{Records: 500, Runs: 1})
	if _, is := errors.AsType[*Miscount](err); !is || !strings.Contains(err.Error(), "the part distinct") {
		t.Errorf("got %v", err)
	}
	if left != "" {
		t.Errorf("it left %s", left)
	}
}

func TestAPeerThatIsNotThereIsSaidToBeMissing(t *testing.T) {
	f := fake{change: func(r *Result, t Task) {
		if t.Part == "duckdb" {
			*r = Result{Absent: "not installed"}
		}
	}}
	r, _, err := f.measure(t, Options{Records: 500, Runs: 2, Only: []string{"duckdb"}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "count distinct (not installed)") {
		t.Errorf("the table does not say so:\n%s", &out)
	}
}

func TestPartsThatAreNotThereAreRefused(t *testing.T) {
	if _, err := Measure(t.Context(), Options{Records: 10, Runs: 1, Only: []string{"parse", "nonsense"}}); err == nil || !strings.Contains(err.Error(), "there are: floor, parse") {
		t.Errorf("got %v", err)
	}
}

// A machine that is half as fast in the second round changes the rates and not the ratios.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	some, err := chosen([]string{"gzip"})
	if err != nil {
		t.Fatal(err)
	}
	seconds := map[string]float64{gunzip: 1, "gzip": 4, baseline: 2}
	var rounds [][]Result
	for _, slow := range []float64{1, 8, 2} {
		var round []Result
		for _, p := range some {
			round = append(round, Result{Usage: bench.Usage{Seconds: seconds[p.name] * slow, CPU: 1, Peak: 5}})
		}
		rounds = append(rounds, round)
	}
	for _, row := range tabulate(cells(some, 1), rounds, Counts{countRecords: 80, countBytes: 8e6}) {
		if row.Part != "gzip" {
			continue
		}
		if row.RowsPerSecond != 10 || row.MBPerSecond != 1 || row.ToCSV != 0.5 || row.ToUnpack != 0.25 || row.Peak != 5 {
			t.Errorf("got %+v", row)
		}
	}
}

func TestOneCoreIsMeasuredWhereThereAreMore(t *testing.T) {
	some, err := chosen([]string{"parse"})
	if err != nil {
		t.Fatal(err)
	}
	for cores, want := range map[int]string{1: "parse/1 encoding-csv/1", 4: "parse/1 parse/4 encoding-csv/4"} {
		var got []string
		for _, c := range cells(some, cores) {
			got = append(got, fmt.Sprint(c.part.name, "/", c.cores))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("on %d cores: %v", cores, got)
		}
	}
}
