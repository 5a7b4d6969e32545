package ingest_test

import (
	"slices"
	"strings"
	"testing"

	"cohort/ingest"
	"cohort/ingest/person"
)

// A column that is only kept is carried behind the fields, and takes nobody's message away.
func TestKeptColumnsMakeNoRecordInvalid(t *testing.T) {
	text := "icb,nhs_number,name,clinic,town\n" +
		"QF7," + a + ",Ann,North,Leeds\n" +
		"Q\x07F\u202e7," + b + ",Bob,," + strings.Repeat("x", 99) + "\n" +
		"QF7," + c + ",Z\x07oe,North,Leeds\n"
	o := ingest.Options{Fields: []string{"name", "town"}, Keep: []string{"icb", "town", "place"}, Columns: map[string][]string{"place": {"clinic"}}}
	got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c.csv", text)}, o)))
	want := []string{
		"0:2 " + a + "|Ann|Leeds|QF7|North",
		"0:3 " + b + "|Bob|" + strings.Repeat("x", 99) + "|Q\x07F\u202e7|",
		"0:4 message_has_control " + c,
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v, want %q", got, err, want)
	}
}

func TestKeptColumnsThatCannotBe(t *testing.T) {
	path := save(t, "c.csv", "nhs_number,newer,icb\n"+a+",,QF7\n")
	upload := save(t, "m.csv", "messageReference,nhsNumber,personalisation_icb\nr,"+a+",QF7\n")
	for _, test := range []struct {
		path string
		keep string
		want string
	}{
		{path, "icb", ""},
		{path, "ics", `c.csv:1: there is no column "ics"; the columns are "nhs_number", "newer", "icb" (keep_columns names it); add to the campaign, under cohort: columns: {ics: "NAME OF THE COLUMN"}`},
		{upload, "icb", ""},
	} {
		o := ingest.Options{Keep: []string{test.keep}}
		if _, err := ingest.Open(t.Context(), []string{test.path}, o); (err != nil || test.want != "") && (err == nil || err.Error() != test.want) {
			t.Errorf("%s: %v, want %s", test.keep, err, test.want)
		}
	}
}

// What reach works out for a record may be kept, too.
func TestAComputedColumnMayBeKept(t *testing.T) {
	o := ingest.Options{Keep: []string{"nhs_app"}, Derived: ingest.Derived{Field: "nhs_app", From: "gp", Value: func(from []byte, _ person.NHSNumber) string { return "app of " + string(from) }}}
	got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c.csv", "nhs_number,gp\n"+a+",X1\n")}, o)))
	if want := "0:2 " + a + "|app of X1"; err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%q %v, want %s", got, err, want)
	}
}
