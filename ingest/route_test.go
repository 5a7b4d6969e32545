package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"pgregory.net/rapid"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// routesOf reads a cohort, and lists the route or the reason code of each record.
func routesOf(t *testing.T, text string, o Options) (routes []string, s Summary) {
	t.Helper()
	d, err := NewReader(strings.NewReader(text), "cohort.csv", o)
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range d.Records() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(batch.NumRows()) {
			code := batch.Column(person.ColumnCode).(*array.String)
			route := fmt.Sprint(batch.Column(person.ColumnRoute).(*array.Uint8).Value(i))
			if code.IsValid(i) {
				route = code.Value(i)
			}
			routes = append(routes, route)
		}
	}
	return routes, d.Summary()
}

func TestTheFirstRouteThatTakesARecordIsItsRoute(t *testing.T) {
	welsh := Route{[]Condition{{Field: "language", Values: []string{"cy", " CYM "}}}}
	none := Route{[]Condition{{Field: "language", Values: []string{""}}}}
	older := Route{[]Condition{{Field: "born", To: "1950-12-31"}, {Field: "format", Values: []string{"large-print"}}}}
	middle := Route{[]Condition{{Field: "born", From: "1951-01-01", To: "1960-12-31"}}}
	floors := Route{[]Condition{{Field: "floor", From: "-1", To: "3"}}}
	rest := Route{}
	for sentence, test := range map[string]struct {
		record string // language, born, format, floor
		routes []Route
		want   string
	}{
		"a value of the list":                                  {"cy,,,", []Route{welsh, rest}, "0"},
		"in capitals, with white space":                        {" Cym ,,,", []Route{welsh, rest}, "0"},
		"a value that begins so":                               {"cymru,,,", []Route{welsh, rest}, "1"},
		"an empty value, where the list has none":              {",,,", []Route{welsh, rest}, "1"},
		"an empty value, where the list has it":                {"  ,,,", []Route{welsh, none}, "1"},
		"nobody takes it":                                      {"en,,,", []Route{welsh, none}, "no_route"},
		"all conditions hold":                                  {"en,1950-12-31,large-print,", []Route{older, rest}, "0"},
		"one does not":                                         {"en,1950-12-31,small,", []Route{older, rest}, "1"},
		"and the other cannot be compared, which is not asked": {"en,unknown,small,", []Route{older, rest}, "1"},
		"it cannot be compared, and that is asked":             {"en,unknown,large-print,", []Route{older, rest}, "bad_type"},
		"an empty date":                                        {"en,,large-print,", []Route{older, rest}, "bad_type"},
		"a day later":                                          {"en,1951-01-01,large-print,", []Route{older, rest}, "1"},
		"a date as it is written in Britain":                   {"en,31/12/1950,large-print,", []Route{older, rest}, "0"},
		"a British date a day later":                           {"en,01/01/1951,large-print,", []Route{older, rest}, "1"},
		"a date in eight digits":                               {"en,19501231,large-print,", []Route{older, rest}, "0"},
		"a date that there is not":                             {"en,1950-02-30,large-print,", []Route{older, rest}, "bad_type"},
		"the first day of a range":                             {"en,1951-01-01,,", []Route{middle, rest}, "0"},
		"the day before":                                       {"en,1950-12-31,,", []Route{middle, rest}, "1"},
		"the last day":                                         {"en,1960-12-31,,", []Route{middle, rest}, "0"},
		"the day behind":                                       {"en,1961-01-01,,", []Route{middle, rest}, "1"},
		"a number":                                             {"en,,,3", []Route{floors, rest}, "0"},
		"one below zero":                                       {"en,,,-1", []Route{floors, rest}, "0"},
		"one too low":                                          {"en,,,-2", []Route{floors, rest}, "1"},
		"one too high":                                         {"en,,,10", []Route{floors, rest}, "1"},
		"a number with a fraction":                             {"en,,,2.5", []Route{floors, rest}, "bad_type"},
		"what comes before it takes a record first":            {"cy,1940-01-01,large-print,1", []Route{older, welsh, floors}, "0"},
	} {
		got, s := routesOf(t, "nhs_number,language,born,format,floor\n9990000018,"+test.record+"\n", Options{Routes: test.routes})
		if got[0] != test.want || (s.Invalid == 1) != strings.Contains("no_route bad_type", test.want) {
			t.Errorf("%s: %v, %+v", sentence, got, s)
		}
	}
}

// Whoever is withdrawn is sent nothing, and must count whatever his record lacks.
func TestARecordThatWithdrawsItsPersonNeedsNoRoute(t *testing.T) {
	o := Options{
		Routes:    []Route{{[]Condition{{Field: "born", To: "1950-12-31"}}}, {[]Condition{{Field: "type", Values: []string{"NEW"}}}}},
		Withdrawn: Withdrawn{"type", []string{"DEL"}},
	}
	got, s := routesOf(t, "nhs_number,born,type\n9990000018,unknown,DEL\n9990000026,unknown,NEW\n9990000034,1960-01-01,OLD\n9990000042,1960-01-01,DEL\n", o)
	if fmt.Sprint(got) != "[0 bad_type no_route 0]" || s.Sendable != 2 {
		t.Errorf("%v, %+v", got, s)
	}
}

// A default holds for the choice of a route as it does in the message.
func TestADefaultChoosesARoute(t *testing.T) {
	o := Options{
		Routes: []Route{{[]Condition{{Field: "language", Values: []string{"en"}}}}, {}}, Fields: []string{"language"}, Defaults: map[string]string{"language": "en"},
	}
	if got, _ := routesOf(t, "nhs_number,language\n9990000018,\n9990000026,cy\n", o); fmt.Sprint(got) != "[0 1]" {
		t.Errorf("%v", got)
	}
}

// A limit of a route is asked of its records alone.
func TestALimitOfARouteIsAskedOfItsRecords(t *testing.T) {
	short := func(fields []string) bool { return len(fields[0]) <= 3 }
	o := Options{
		Routes: []Route{{[]Condition{{Field: "language", Values: []string{"cy"}}}}, {}}, Fields: []string{"name"},
		Limits: []person.Limit{{Code: person.CodeTooLong, Words: "too long", Keeps: short, Route: 1}, {Code: person.CodeBadContact, Words: "no", Keeps: func(f []string) bool { return f[0] != "" }}},
	}
	got, _ := routesOf(t, "nhs_number,language,name\n9990000018,cy,Anna\n9990000026,en,Anna\n9990000034,cy,Ann\n9990000042,en,\n9990000050,cy,\n", o)
	if fmt.Sprint(got) != "[too_long 1 0 bad_contact bad_contact]" {
		t.Errorf("%v", got)
	}
}

func TestRoutesThatCannotBeAreRefused(t *testing.T) {
	for sentence, test := range map[string]struct {
		routes []Route
		says   string
	}{
		"a column that is not there":   {[]Route{{[]Condition{{Field: "tongue", Values: []string{"cy"}}}}}, `no column "tongue"`},
		"a condition of nothing":       {[]Route{{[]Condition{{Field: "a"}}}}, "needs either values or bounds"},
		"a condition of both":          {[]Route{{[]Condition{{Field: "a", Values: []string{"b"}, From: "1"}}}}, "needs either values or bounds"},
		"bounds of no kind":            {[]Route{{[]Condition{{Field: "a", From: "soon"}}}}, "neither whole numbers nor dates"},
		"bounds of two kinds":          {[]Route{{[]Condition{{Field: "a", From: "1", To: "1950-12-31"}}}}, "neither whole numbers nor dates"},
		"a field compared in two ways": {[]Route{{[]Condition{{Field: "a", From: "1"}}}, {[]Condition{{Field: "a", To: "1950-12-31"}}}}, "before as a whole number"},
		"an NHS number":                {[]Route{{[]Condition{{Field: "nhs_number", Values: []string{"1"}}}}}, "the NHS number cannot choose a route"},
		"too many":                     {make([]Route, MostRoutes+1), "there are 101 routes"},
	} {
		_, err := NewReader(strings.NewReader("nhs_number,a\n9990000018,x\n"), "cohort.csv", Options{Routes: test.routes})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	missing := (*format.FileError)(nil)
	_, err := NewReader(strings.NewReader("nhs_number,a\n9990000018,x\n"), "cohort.csv", Options{Routes: []Route{{[]Condition{{Field: "b", From: "1"}}}}})
	if !errors.As(err, &missing) || missing.Line != 1 {
		t.Errorf("%v", err)
	}
}

// The same records have the same routes in every format and however many read them, since a
// route hangs on the record alone.
func TestARouteHangsOnTheRecordAlone(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(r, "records")
		value := rapid.SampledFrom([]string{"cy", "en", "", "x"})
		var text strings.Builder
		text.WriteString("nhs_number,language\n")
		var want []string
		for range n {
			v := value.Draw(r, "language")
			text.WriteString("9990000018," + v + "\n")
			want = append(want, map[string]string{"cy": "0", "en": "1", "": "no_route", "x": "2"}[v])
		}
		o := Options{BatchRows: rapid.IntRange(1, 40).Draw(r, "rows"), Routes: []Route{
			{[]Condition{{Field: "language", Values: []string{"cy"}}}}, {[]Condition{{Field: "language", Values: []string{"en"}}}}, {[]Condition{{Field: "language", Values: []string{"x"}}}},
		}}
		if got, _ := routesOf(t, text.String(), o); fmt.Sprint(got) != fmt.Sprint(want) {
			r.Fatalf("%v, not %v", got, want)
		}
	})
}
