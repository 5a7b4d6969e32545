package ingest_test

import (
	"slices"
	"strconv"
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

// A column may hold NHS numbers under any name. It would take them into reports.
func TestAKeptColumnOfNHSNumbers(t *testing.T) {
	const n = 9000
	var numbers []string
	for i := 9_990_000_000; len(numbers) < n; i++ {
		if _, err := person.ParseNHSNumber(strconv.Itoa(i)); err == nil {
			numbers = append(numbers, strconv.Itoa(i))
		}
	}
	number := func(i int) string { return numbers[i] }
	for _, test := range []struct {
		sentence string
		value    func(i int) string
		want     string // empty: the column is kept
	}{
		{"all", func(i int) string { return number(i) }, "carer holds NHS numbers, and keep_columns names it"},
		{"as people write them", func(i int) string { return number(i)[:3] + " " + number(i)[3:6] + " " + number(i)[6:] }, "carer holds NHS numbers"},
		{"half of them", func(i int) string { return []string{"North", number(i)}[i%2] }, ""},
		{"a few, and most records have none", func(i int) string { return strings.Repeat(number(i), btoi(i%3000 == 9)) }, "3 of its first 3"},
		{"the first ones only, and groups behind", func(i int) string { return []string{"North", number(i)}[btoi(i < 900)] }, ""},
		{"ten digits that are none", func(i int) string { return "1234567890" }, ""},
		{"nothing", func(int) string { return "" }, ""},
	} {
		var text strings.Builder
		text.WriteString("nhs_number,carer,icb\n")
		for i := range n {
			text.WriteString(number(i) + "," + test.value(i) + ",QF7\n")
		}
		o := ingest.Options{Keep: []string{"icb", "carer"}}
		got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c.csv", text.String())}, o)))
		if test.want == "" && (err != nil || len(got) != n) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), number(0))) {
			t.Errorf("%s: %d records, %v", test.sentence, len(got), err)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
