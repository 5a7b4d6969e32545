package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/format"
	"cohort/ingest/person"
	"cohort/ingest/value"
)

// spelt works out a value that tells what it was worked out from.
var spelt = Derived{Field: "nhs_app", From: "practice", Value: func(from []byte, n person.NHSNumber) string {
	return fmt.Sprintf("%s of %d", from, n.Uint64()%100)
}}

// derivedOf reads a cohort and returns, row by row, the field nhs_app, or the reason code.
func derivedOf(t *testing.T, path string, o Options) (got []string, err error) {
	t.Helper()
	r, err := Open(t.Context(), []string{path}, o)
	if err != nil {
		return nil, err
	}
	for batch, err := range r.Records() {
		if err != nil {
			return nil, err
		}
		numbers, codes, values := batch.Column(person.ColumnNumber), batch.Column(person.ColumnCode).(*array.String), batch.Column(person.FirstField).(*array.String)
		for i := range int(batch.NumRows()) {
			if numbers.IsNull(i) {
				got = append(got, strings.Clone(codes.Value(i)))
			} else {
				got = append(got, strings.Clone(values.Value(i)))
			}
		}
	}
	return got, nil
}

func saved(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const withPractices = "nhs_number,practice,old\n9990000018,A1,\n9990000026, A2 ,\n9990000034,\"A\"\"3\",\n1,A4,\n9990000042,,\n9990000050,A5\n9990000069,A6,,\n9990000077,A7,\n"

func TestADerivedColumnIsWhereverAColumnIs(t *testing.T) {
	plain := Options{Fields: []string{"nhs_app"}, Derived: spelt}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(withPractices)); err != nil || z.Close() != nil {
		t.Fatal("gzip")
	}
	usual := `A1 of 18|A2 of 26|A"3 of 34|bad_number| of 42|wrong_columns|wrong_columns|A7 of 77`
	for _, test := range []struct {
		sentence, file, text, want string
		change                     func(*Options)
	}{
		{"carried", "c.csv", withPractices, usual, func(*Options) {}},
		{"of a packed file", "c.csv.gz", zipped.String(), usual, func(*Options) {}},
		{"required", "c.csv", withPractices, usual, func(o *Options) { o.Required = []string{"nhs_app"} }},
		{"of a type", "c.csv", withPractices, "bad_type|bad_type|bad_type|bad_number|bad_type|wrong_columns|wrong_columns|bad_type", func(o *Options) { o.Types = map[string]value.Type{"nhs_app": value.Date} }},
		{"limited", "c.csv", withPractices, `too_long|A2 of 26|A"3 of 34|bad_number| of 42|wrong_columns|wrong_columns|A7 of 77`, func(o *Options) {
			o.Limits = []person.Limit{{Code: person.CodeTooLong, Keeps: func(f []string) bool { return f[0] != "A1 of 18" }}}
		}},
		{"with what it is worked out from under another name", "c.csv", strings.Replace(withPractices, "practice", "gp", 1), usual, func(o *Options) {
			o.Columns = map[string][]string{"practice": {"surgery", "gp"}}
		}},
		{"in a file without a header line", "c.csv", "9990000018,A1\n9990000026,A2\n", "A1 of 18|A2 of 26", func(o *Options) {
			o.Format.Header, o.Columns = new(bool), map[string][]string{"nhs_number": {"1"}, "practice": {"2"}}
		}},
		{"of the number as it is now", "c.csv", "nhs_number,practice,old\n9990000018,A1,9990000026\n9990000026,A2,\n", "A1 of 26|A2 of 26", func(o *Options) { o.SupersededBy = "old" }},
	} {
		o := plain
		test.change(&o)
		got, err := derivedOf(t, saved(t, test.file, test.text), o)
		if err != nil || strings.Join(got, "|") != test.want {
			t.Errorf("%s: %s, %v; want %s", test.sentence, strings.Join(got, "|"), err, test.want)
		}
	}
}

// Several goroutines parse a long file, each with records that have a value too many in
// between, which would stand where the derived value does.
func TestADerivedColumnOfALongFile(t *testing.T) {
	var text strings.Builder
	text.WriteString("nhs_number,practice\n")
	const rows = 60_000
	for i := range rows {
		fmt.Fprintf(&text, "9990000018,A%d\n9990000018,A,%d\n", i, i)
	}
	got, err := derivedOf(t, saved(t, "c.csv", text.String()), Options{Fields: []string{"nhs_app"}, Derived: spelt})
	if err != nil || len(got) != 2*rows {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	for i := range rows {
		if got[2*i] != fmt.Sprintf("A%d of 18", i) || got[2*i+1] != "wrong_columns" {
			t.Fatalf("rows %d and %d: %s, %s", 2*i, 2*i+1, got[2*i], got[2*i+1])
		}
	}
}

func TestADerivedColumnAndOneOfTheFile(t *testing.T) {
	_, err := derivedOf(t, saved(t, "c.csv", "nhs_number,practice,nhs_app\n9990000018,A1,yes\n"), Options{Fields: []string{"nhs_app"}, Derived: spelt})
	if f := (*format.FileError)(nil); !errors.As(err, &f) || f.Line != 1 || !strings.Contains(f.Problem, `there is a column "nhs_app"`) {
		t.Errorf("a column of its name: %v", err)
	}
	_, err = derivedOf(t, saved(t, "c.csv", "nhs_number,gp\n9990000018,A1\n"), Options{Fields: []string{"nhs_app"}, Derived: spelt})
	if err == nil || !strings.Contains(err.Error(), `there is no column "practice"; the columns are "nhs_number", "gp"`) {
		t.Errorf("nothing to work it out from: %v", err)
	}
	// A first line that may be somebody's data is still not shown.
	_, err = derivedOf(t, saved(t, "c.csv", "Ann,Smith\nBea,Jones\n"), Options{Fields: []string{"nhs_app"}, Derived: spelt})
	if err == nil || strings.Contains(err.Error(), "Smith") {
		t.Errorf("somebody's data: %v", err)
	}
	for sentence, o := range map[string]Options{
		"from nothing":      {Derived: Derived{Field: "a", Value: spelt.Value}},
		"without a value":   {Derived: Derived{Field: "a", From: "b"}},
		"from itself":       {Derived: Derived{Field: "a", From: "a", Value: spelt.Value}},
		"the number":        {Derived: Derived{Field: "nhs_number", From: "a", Value: spelt.Value}},
		"from the number":   {Derived: Derived{Field: "a", From: "nhs_number", Value: spelt.Value}},
		"and in the header": {Derived: spelt, Columns: map[string][]string{"nhs_app": {"x"}}},
	} {
		if _, err := o.settled(); err == nil {
			t.Errorf("%s: no error", sentence)
		}
	}
}
