package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cohort/ingest"
	"cohort/ingest/format"
)

// Stray quotes that swallow other people's records refuse the file, and values of several
// lines do not.
func TestSwallowedRecords(t *testing.T) {
	const head = "nhs_number,name,z\n"
	notes := ingest.Options{Fields: []string{"name"}, Multiline: []string{"name"}}
	last := "name,z,nhs_number\n"
	for sentence, test := range map[string]struct {
		file string
		o    ingest.Options
		want string // of the error; empty: none
	}{
		"a whole record between two quotes":               {head + a + ",\"Ann,1\n" + b + ",Bob,1\n" + c + ",Cy\",1\n", ingest.Options{}, "c.csv:3: this line would be a record by itself, but it is inside quotes of the record that starts on line 2; remove the stray quotes; if a column may hold such lines, name it under cohort.multiline"},
		"with CRLF":                                       {strings.ReplaceAll(head+a+",\"Ann,1\n"+b+",Bob,1\n"+c+",Cy\",1\n", "\n", "\r\n"), ingest.Options{}, "c.csv:3: "},
		"opened in one record and closed in the next":     {head + a + ",\"Ann,1\n" + b + ",Bob\",1\n" + c + ",Cy,1\n", ingest.Options{}, "c.csv:3: "},
		"closed at the end of a line":                     {head + a + ",\"Ann,1\n" + b + ",Bob,1\"\n" + c + ",Cy,1\n", ingest.Options{}, "c.csv:3: "},
		"without a line end behind":                       {head + a + ",\"Ann,1\n" + b + ",Bob\",1", ingest.Options{}, "c.csv:3: "},
		"the number in the last column, the first of two": {last + "Ann,\"1," + a + "\nBob,1\"," + b + "\n", ingest.Options{}, "c.csv:2: "},
		"the number in the last column, one between":      {last + "Ann,\"1," + a + "\nBob,1," + b + "\nCy,1\"," + c + "\n", ingest.Options{}, "c.csv:2: "},
		"a number in quotes":                              {head + a + ",\"Ann,1\n999 000 0026,Bob,1\n" + c + ",Cy\",1\n", ingest.Options{}, "c.csv:3: "},
		"in a column that is not looked at":               {head + a + ",Ann,\"1\n" + b + ",Bob,1\n" + c + ",Cy,1\"\n", ingest.Options{}, "c.csv:3: "},
		"with too many values in the record":              {head + a + ",Ann,1,\"1\n" + b + ",Bob,1\n\"\n", ingest.Options{}, "c.csv:3: "},
		"another delimiter":                               {strings.ReplaceAll(head+a+",\"Ann,1\n"+b+",Bob\",1\n", ",", "|"), ingest.Options{}, "c.csv:3: "},
		"a quote in the header line":                      {"nhs_number,\"name\n" + a + ",Ann\n" + b + ",Bob\",z\n" + c + ",Cy,1\n", ingest.Options{}, "c.csv:1: the header line has quotes around a line with an NHS number"},
		"a heading of two lines":                          {"nhs_number,\"first\nname\",name\n" + a + ",Ann,1\n", ingest.Options{}, ""},
		"an address of several lines with commas":         {head + a + ",\"Flat 2, 1 High St,\n10, Mill Lane, Leeds\n1,2,3\n\",1\n", ingest.Options{}, ""},
		"the same before the number":                      {last + "\"Flat 2, 1 High St\nLeeds\",1," + a + "\n", ingest.Options{}, ""},
		"a comma in its last line, the number at the end": {"name,nhs_number\n\"1 High St\nLeeds\"," + a + "\n", ingest.Options{}, ""},
		"commas in its last line, the number at the end":  {last + "\"Flat 2\nMill Lane, Leeds\",1," + a + "\n", ingest.Options{}, ""},
		"one comma, and the number in the second place":   {"z,nhs_number\n\"High St\nLeeds\"," + a + "\n", ingest.Options{Columns: map[string][]string{"name": {"z"}}}, ""},
		"a number without the delimiters":                 {head + a + ",\"Ann\n" + b + "\nknows her\",1\n", ingest.Options{}, ""},
		"the delimiters and no valid number":              {head + a + ",\"Ann\n9990000027,Bob,1\n\",1\n", ingest.Options{}, ""},
		"the delimiters and the number in another place":  {head + a + ",\"Ann\nBob," + b + ",1\n\",1\n", ingest.Options{}, ""},
		"a record in a column that may hold it":           {head + a + ",\"Ann,1\n" + b + ",Bob,1\n\",1\n", notes, ""},
		"a record in a column beside the one that may":    {head + a + ",x,\"Ann,1\n" + b + ",Bob,1\n\"\n", notes, "c.csv:3: "},
		"a column that may hold records and is not there": {head + a + ",Ann,1\n", ingest.Options{Multiline: []string{"notes"}}, `there is no column "notes"`},
	} {
		o := test.o
		if o.Fields == nil {
			o.Fields = []string{"name"}
		}
		for _, how := range []string{"stream", "file"} {
			var err error
			if how == "stream" {
				var r *ingest.Reader
				if r, err = ingest.NewReader(strings.NewReader(test.file), "c.csv", o); err == nil {
					_, err = told(r)
				}
			} else {
				var r *ingest.Reader
				if r, err = ingest.Open(t.Context(), []string{save(t, "c.csv", test.file)}, o); err == nil {
					_, err = told(r)
				}
			}
			refused, _ := errors.AsType[*format.FileError](err)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%s, %s: %v", sentence, how, err)
			case test.want != "" && (refused == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%s, %s: %v, and should say %q", sentence, how, err, test.want)
			}
		}
	}
}

func TestSwallowedRecordsOfAList(t *testing.T) {
	for sentence, file := range map[string]string{
		"a whole row":        "nhs_number,note\n" + a + ",\"x\n" + b + ",y\n\"\n" + c + ",z\n",
		"the next row":       "nhs_number,note\n" + a + ",\"x\n" + b + ",y\"\n",
		"rows of one column": "nhs_number\n\"" + a + "\n" + b + "\"\n" + c + "\n",
	} {
		l, err := ingest.OpenList(t.Context(), save(t, "list.csv", file), format.Format{})
		if err == nil {
			for _, fault := range l.People(100) {
				err = fault
			}
		}
		if err == nil || !strings.Contains(err.Error(), "this line would be a record by itself") {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// However two quotes are put into a faultless file, nobody vanishes without a word: each
// person has a record of their own still, or the file is refused, or the record is invalid.
func TestTwoStrayQuotes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var file strings.Builder
		file.WriteString("nhs_number,name,z\n")
		numbers := []string{a, b, c, "9990000042", "9990000050"}
		for i, n := range numbers {
			fmt.Fprintf(&file, "%s,Name%d,%d\n", n, i, i)
		}
		text := file.String()
		head := strings.Index(text, "\n") + 1
		for range 2 {
			at := rapid.IntRange(head, len(text)-1).Draw(rt, "at")
			text = text[:at] + `"` + text[at:]
		}
		r, err := ingest.NewReader(strings.NewReader(text), "c.csv", ingest.Options{Fields: []string{"name", "z"}})
		if err != nil {
			return
		}
		lines, err := told(r)
		if err == nil && len(lines) != len(numbers) {
			rt.Fatalf("%d records of %d people: %q from\n%s", len(lines), len(numbers), lines, text)
		}
	})
}

// A list of columns is read as strictly as one of text.
func TestUnreadableRowsOfColumnarLists(t *testing.T) {
	for kind, file := range map[string]string{
		"Parquet of numbers": parqueted(table(true)), "Arrow of numbers": arrowed(table(true), false), "Arrow stream of text": arrowed(table(false), true),
	} {
		for tolerated, want := range []string{":3: no NHS number can be read from this row", ""} {
			l, err := ingest.OpenList(t.Context(), save(t, "list.bin", file), format.Format{})
			if err == nil {
				for _, fault := range l.People(int64(tolerated)) {
					err = fault
				}
			}
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, %d tolerated: %v", kind, tolerated, err)
			}
			if n := l.Count(); err == nil && (n.Unreadable != 1 || n.Empty != 1 || n.People < 3) {
				t.Errorf("%s: %+v", kind, n)
			}
		}
	}
}
