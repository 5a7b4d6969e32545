package ingest_test

import (
	"slices"
	"strings"
	"testing"

	"cohort/ingest"
	"cohort/ingest/format"
	"cohort/ingest/person"
	"cohort/ingest/value"
)

func TestTypedFieldsDefaultsAndOrder(t *testing.T) {
	o := ingest.Options{
		Fields:    []string{"day", "name"},
		Columns:   map[string][]string{"day": {"Appt Date"}},
		Types:     map[string]value.Type{"day": value.Date, "phone": value.UKMobile},
		Defaults:  map[string]string{"name": "you"},
		LatestBy:  "serial",
		Withdrawn: ingest.Withdrawn{Column: "record_type", Values: []string{"DEL", "C"}},
	}
	file := "nhs_number,Appt Date,phone,serial,record_type,name\n" +
		a + ", 2027-01-31 ,07700900123,5,ADD,Ann\n" +
		a + ",,,-6, DEL ,\" \"\n" +
		b + ",2027-02-31,,7,ADD,x\n" +
		b + ",,07,7,ADD,x\n" +
		b + ",,,soon,ADD,x\n" +
		b + ",,,,ADD,x\n" +
		"1,2027-02-31,,,DEL,x\n"
	r := must(ingest.NewReader(strings.NewReader(file), "c", o))
	got := must(told(r))
	want := []string{
		"0:2 " + a + "|2027-01-31|Ann order 5", "0:3 " + a + "||you order -6 withdrawn",
		"0:4 bad_type " + b, "0:5 bad_type " + b, "0:6 bad_type " + b, "0:7 bad_type " + b, "0:8 bad_number 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var words []string
	for _, reason := range r.Summary().Reasons {
		if reason.Code == person.CodeBadType {
			words = append(words, reason.Words)
		}
	}
	if !slices.Equal(words, []string{
		`the field "serial" is not a whole number, or not a date or time, as the records before it have it`,
		`the field "day" is not a date`, `the field "phone" is not a UK mobile number`,
	}) {
		t.Errorf("%q", words)
	}
}

// What the service asks comes after all that the campaign asks, of the fields as they are
// carried, and not of a record that withdraws: nothing is sent for it, and it must count.
func TestWhatTheServiceAsksOfARecord(t *testing.T) {
	o := ingest.Options{
		Fields: []string{"name", "day"}, Types: map[string]value.Type{"day": value.Date}, Defaults: map[string]string{"name": "you"},
		Withdrawn: ingest.Withdrawn{Column: "type", Values: []string{"DEL"}},
		Limits: []person.Limit{
			{Code: person.CodeTooLong, Words: "too long", Keeps: func(fields []string) bool { return len(fields[0]) <= 3 }, Least: 4},
			{Code: "never", Words: "asked of a record with less than it takes", Keeps: func(fields []string) bool { return false }, Least: 30},
			{Code: person.CodeBadContact, Words: "not the day", Keeps: func(fields []string) bool { return fields[1] == "2027-01-31" && fields[0] != "" }},
		},
	}
	rows := a + ",\"A\"\"n\", 2027-01-31 ,\n" + a + ",Anne,2027-01-31,\n" + b + ",,2027-01-30,\n" + b + ",Annette,2027-01-30,\n" + b + ",Anne,x,\n" + b + ",Anne,,DEL\n" + a + ",,2027-01-31,\n"
	file := "nhs_number,name,day,type\n" + strings.Repeat(rows, 10_000)
	for _, r := range []*ingest.Reader{
		must(ingest.NewReader(strings.NewReader(file), "c", o)),
		must(ingest.Open(t.Context(), []string{save(t, "c", file)}, o)), // parsed in chunks
	} {
		got := must(told(r))
		want := []string{
			"0:2 " + a + `|A"n|2027-01-31`, "0:3 too_long " + a, "0:4 bad_contact " + b, "0:5 too_long " + b, "0:6 bad_type " + b,
			"0:7 " + b + "|Anne| withdrawn", "0:8 " + a + "|you|2027-01-31",
		}
		if !slices.Equal(got[:7], want) || len(got) != 70_000 {
			t.Errorf("got  %q\nwant %q", got[:7], want)
		}
		counts := map[string]int64{}
		for _, reason := range r.Summary().Reasons {
			counts[reason.Code+": "+reason.Words] = reason.Count
		}
		if counts["too_long: too long"] != 20_000 || counts["bad_contact: not the day"] != 10_000 || r.Summary().Invalid != 40_000 {
			t.Errorf("%v", counts)
		}
	}
}

func TestAddressesThatNoLetterReaches(t *testing.T) {
	o := ingest.Options{
		Fields: []string{"l1"}, Address: ingest.Address{Lines: []string{"l1", "l2", "l3"}, Least: 2},
		Required: []string{"postcode"}, Types: map[string]value.Type{"postcode": value.Postcode},
	}
	file := "nhs_number,l1,l2,l3,postcode\n" +
		a + ",1 High Street,,Leeds,LS1 4AP\n" +
		a + ",,1 High Street,Leeds,ls14ap\n" +
		a + ",1 High Street, ,,LS1 4AP\n" +
		a + ",\"1 High\nStreet\",Town,,LS1 4AP\n" +
		a + ",1 High\tStreet,Town,,LS1 4AP\n" +
		a + ",1 High Street\u0085,Town,Leeds,LS1 4AP\n" +
		a + ",1 High\u2028Street,Town,Leeds,LS1 4AP\n" +
		a + ",1 High Street,Town,,\n" +
		a + ",1 High Street,Town,,LS1\n"
	r := must(ingest.NewReader(strings.NewReader(file), "c", o))
	want := []string{
		"0:2 " + a + "|1 High Street", "0:3 " + a + "|", "0:4 short_address " + a, "0:5 broken_address " + a, "0:7 broken_address " + a, "0:8 broken_address " + a, "0:9 broken_address " + a,
		"0:10 empty_required " + a, "0:11 bad_type " + a,
	}
	if got := must(told(r)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if words := r.Summary().Reasons[1].Words; r.Summary().Reasons[0].Code != person.CodeBrokenAddress || words != "fewer than 2 address lines are filled in" {
		t.Errorf("%+v", r.Summary().Reasons)
	}
	if _, err := ingest.NewReader(strings.NewReader("nhs_number,postcode,l1,l2\n"), "c", o); err == nil || !strings.Contains(err.Error(), `"l3"`) {
		t.Errorf("a file without the third line: %v", err)
	}
}

func TestValuesThatNearlyWithdrawAreCounted(t *testing.T) {
	file := "nhs_number,type\n" + strings.Repeat(a+",DEL\n"+a+", del \n"+a+",ADD\n"+a+",\n1,del\n"+a+",Del\n"+a+",c\n", 10_000)
	o := ingest.Options{Withdrawn: ingest.Withdrawn{Column: "type", Values: []string{"DEL", "C", "c"}}}
	for _, r := range []*ingest.Reader{
		must(ingest.NewReader(strings.NewReader(file), "c", o)),
		must(ingest.Open(t.Context(), []string{save(t, "c", file)}, o)), // parsed in chunks
	} {
		must(told(r))
		if n := r.Summary().Nearly; n != 20_000 {
			t.Errorf("%d records", n)
		}
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	no := ""
	for sentence, o := range map[string]ingest.Options{
		"an unknown type":                     {Types: map[string]value.Type{"x": "colour"}},
		"a type for the number":               {Types: map[string]value.Type{"nhs_number": value.Date}},
		"a default for what is required":      {Fields: []string{"x"}, Required: []string{"x"}, Defaults: map[string]string{"x": "y"}},
		"a default for what is not carried":   {Defaults: map[string]string{"x": "y"}},
		"a default of another type":           {Fields: []string{"x"}, Types: map[string]value.Type{"x": value.Time}, Defaults: map[string]string{"x": "noon"}},
		"more address lines than there are":   {Address: ingest.Address{Lines: []string{"x"}, Least: 2}},
		"withdrawn without values":            {Withdrawn: ingest.Withdrawn{Column: "x"}},
		"withdrawn without a column":          {Withdrawn: ingest.Withdrawn{Values: []string{"x"}}},
		"an unknown file type":                {Format: format.Format{Type: "xml"}},
		"an unknown encoding":                 {Format: format.Format{Encoding: "latin-1"}},
		"a delimiter of two characters":       {Format: format.Format{Delimiter: "||"}},
		"a letter as delimiter":               {Format: format.Format{Delimiter: "x"}},
		"a quote as delimiter":                {Format: format.Format{Delimiter: `"`}},
		"a delimiter beyond ASCII":            {Format: format.Format{Delimiter: "§"}},
		"a batch of less than no rows at all": {BatchRows: -1},
	} {
		if _, err := ingest.NewReader(strings.NewReader("nhs_number,x\n"+a+",1\n"+no), "c", o); err == nil {
			t.Errorf("%s is accepted", sentence)
		}
	}
}

// A record that is short as it stands may be long as it is carried.
func TestADefaultCountsForWhatIsAsked(t *testing.T) {
	o := ingest.Options{
		Fields: []string{"name"}, Defaults: map[string]string{"name": "a long default"},
		Limits: []person.Limit{{Code: person.CodeTooLong, Words: "too long", Keeps: func(fields []string) bool { return len(fields[0]) < 10 }, Least: 10}},
	}
	got := must(told(must(ingest.NewReader(strings.NewReader("nhs_number,name\n"+a+",\n"+b+",Ann\n"), "c", o))))
	if want := []string{"0:2 too_long " + a, "0:3 " + b + "|Ann"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
