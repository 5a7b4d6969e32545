package ingest_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow/go/v15/arrow/array"
	"pgregory.net/rapid"

	"cohort/ingest"
	"cohort/ingest/person"
)

// row is one row of the batches, printed as a test would write it.
type row struct {
	line   int64
	number string // digits, or what was found, or "null"
	code   string
	reason string
	fields string // joined by |
}

func read(t require, file io.Reader, o ingest.Options) ([]row, ingest.Summary, error) {
	t.Helper()
	r, err := ingest.NewReader(file, "cohort.csv", o)
	if err != nil {
		return nil, ingest.Summary{}, err
	}
	var rows []row
	for batch, err := range r.Records() {
		if err != nil {
			return nil, r.Summary(), err
		}
		text := func(column, i int) string {
			c := batch.Column(column).(*array.String)
			if c.IsNull(i) {
				return "null"
			}
			return strings.Clone(c.Value(i))
		}
		if batch.NumRows() == 0 {
			t.Fatalf("an empty batch")
		}
		for i := range int(batch.NumRows()) {
			if got := batch.Column(person.ColumnRow).(*array.Int64).Value(i); got != int64(len(rows)+1) {
				t.Fatalf("row %d where %d should be", got, len(rows)+1)
			}
			one := row{
				line:   batch.Column(person.ColumnLine).(*array.Int64).Value(i),
				number: text(person.ColumnFound, i),
				code:   text(person.ColumnCode, i),
				reason: text(person.ColumnReason, i),
			}
			if n := batch.Column(person.ColumnNumber).(*array.Uint64); n.IsValid(i) {
				if one != (row{line: one.line, number: "null", code: "null", reason: "null"}) {
					t.Fatalf("a sendable row with a reason")
				}
				one.number = fmt.Sprintf("%010d", n.Value(i))
			}
			var fields []string
			for k := person.FirstField; k < int(batch.NumCols()); k++ {
				fields = append(fields, text(k, i))
			}
			one.fields = strings.Join(fields, "|")
			rows = append(rows, one)
		}
	}
	return rows, r.Summary(), nil
}

type require interface {
	Helper()
	Fatalf(string, ...any)
}

const a, b, c = "9990000018", "9990000026", "9990000034" // three valid numbers

func TestRecords(t *testing.T) {
	ok := func(line int64, number, fields string) row {
		return row{line: line, number: number, code: "null", reason: "null", fields: fields}
	}
	bad := func(line int64, found, code, reason string) row {
		return row{line: line, number: found, code: code, reason: reason, fields: "null"}
	}
	bell := strings.Repeat("é", 40)
	for sentence, test := range map[string]struct {
		file string
		want []row
	}{
		"a plain record is sendable":                         {"nhs_number,name\n" + a + ",Ann\n", []row{ok(2, a, "Ann")}},
		"a byte order mark is no part of the header":         {"\xef\xbb\xbfnhs_number,name\n" + a + ",Ann\n", []row{ok(2, a, "Ann")}},
		"a quoted header behind a byte order mark":           {"\xef\xbb\xbf\"nhs_number\",\"name\"\n" + a + ",Ann\n", []row{ok(2, a, "Ann")}},
		"header names are trimmed":                           {" nhs_number , name \n" + a + ",Ann\n", []row{ok(2, a, "Ann")}},
		"CRLF, LF and no line end at all in one file":        {"nhs_number,name\r\n" + a + ",Ann\n" + b + ",Bob\r\n" + c + ",Cy", []row{ok(2, a, "Ann"), ok(3, b, "Bob"), ok(4, c, "Cy")}},
		"a carriage return at the end of the file is gone":   {"nhs_number,name\n" + a + ",Ann\r", []row{ok(2, a, "Ann")}},
		"empty lines are skipped, also before the header":    {"\n\r\nnhs_number,name\n\n" + a + ",Ann\n\n", []row{ok(5, a, "Ann")}},
		"a line of one space is none either":                 {"nhs_number,name\n" + a + ",Ann\n \n", []row{ok(2, a, "Ann")}},
		"nor are lines of delimiters":                        {",\nnhs_number,name\n,\n" + a + ",Ann\n,,,,\r\n\"\",\" \"\n \u200b,\u00a0\n" + b + ",Bob\n,", []row{ok(4, a, "Ann"), ok(8, b, "Bob")}},
		"a record without a number is one":                   {"nhs_number,name\n,Ann\n", []row{bad(2, "null", "bad_number", "the NHS number is empty")}},
		"quotes, doubled quotes and commas inside":           {"nhs_number,name\n" + a + ",\"Ann \"\"Nan\"\", Jr\"\n", []row{ok(2, a, `Ann "Nan", Jr`)}},
		"line ends inside quotes count and become LF":        {"nhs_number,name\n" + a + ",\"x\r\ny\nz\"\r\n" + b + ",Bob\n", []row{ok(2, a, "x\ny\nz"), ok(5, b, "Bob")}},
		"a quoted last value without a line end":             {"nhs_number,name\n" + a + ",\"Ann\nB\"", []row{ok(2, a, "Ann\nB")}},
		"spaces around a value are kept":                     {"nhs_number,name\n" + a + ", Ann \n", []row{ok(2, a, " Ann ")}},
		"a number in 3-3-4 with spaces around it":            {"nhs_number,name\n 999 000 0018 ,Ann\n", []row{ok(2, a, "Ann")}},
		"a field that is not required may be empty":          {"nhs_number,name,other\n" + a + ",Ann,\n", []row{ok(2, a, "Ann")}},
		"letters in other scripts":                           {"nhs_number,name\n" + a + ",Siân Ἑλένη\n", []row{ok(2, a, "Siân Ἑλένη")}},
		"a value too many":                                   {"nhs_number,name\n" + a + ",Ann,x\n", []row{bad(2, a, "wrong_columns", "3 values where the header has 2")}},
		"a value too few":                                    {"name,nhs_number\nAnn\n", []row{bad(2, "null", "wrong_columns", "1 value where the header has 2")}},
		"a wrong check digit":                                {"nhs_number,name\n9990000019,Ann\n", []row{bad(2, "9990000019", "bad_number", person.ErrNumberCheck.Error())}},
		"an empty number":                                    {"nhs_number,name\n  ,Ann\n", []row{bad(2, "null", "bad_number", person.ErrNumberMissing.Error())}},
		"a number too short":                                 {"nhs_number,name\n 123 ,Ann\n", []row{bad(2, "123", "bad_number", person.ErrNumberLength.Error())}},
		"letters in a number":                                {"nhs_number,name\n99900O0018,Ann\n", []row{bad(2, "99900O0018", "bad_number", person.ErrNumberDigits.Error())}},
		"one digit ten times":                                {"nhs_number,name\n9999999999,Ann\n", []row{bad(2, "9999999999", "bad_number", person.ErrNumberRepeated.Error())}},
		"the header line again in the middle":                {"nhs_number,name\n" + a + ",Ann\nnhs_number,name\n", []row{ok(2, a, "Ann"), bad(3, "nhs_number", "bad_number", person.ErrNumberDigits.Error())}},
		"a name in Windows-1252":                             {"nhs_number,name\n" + a + ",Si\xe2n\n", []row{bad(2, a, "bad_encoding", "the record holds bytes that are not UTF-8")}},
		"such a byte in a column that nobody asked for":      {"nhs_number,name,other\n" + a + ",Ann,\"\xff\"\n", []row{bad(2, a, "bad_encoding", "the record holds bytes that are not UTF-8")}},
		"such a byte in the number":                          {"nhs_number,name\n99\xff\xfe18,Ann\n", []row{bad(2, "99\ufffd\ufffd18", "bad_encoding", "the record holds bytes that are not UTF-8")}},
		"a NUL byte":                                         {"nhs_number,name\n" + a + ",A\x00nn\n", []row{bad(2, a, "bad_encoding", "the record holds a NUL byte")}},
		"a line of NUL bytes":                                {"nhs_number,name\n" + a + ",Ann\n\x00\x00\n", []row{ok(2, a, "Ann"), bad(3, "\ufffd\ufffd", "wrong_columns", "1 value where the header has 2")}},
		"a NUL byte in quotes":                               {"nhs_number,name\n" + a + ",\"A\x00nn\"\n", []row{bad(2, a, "bad_encoding", "the record holds a NUL byte")}},
		"the number of columns counts before the encoding":   {"nhs_number,name\n" + a + ",\xff,x\n", []row{bad(2, a, "wrong_columns", "3 values where the header has 2")}},
		"the encoding counts before the number":              {"nhs_number,name\n1,\xff\n", []row{bad(2, "1", "bad_encoding", "the record holds bytes that are not UTF-8")}},
		"the number counts before what is required":          {"nhs_number,name\n1,\n", []row{bad(2, "1", "bad_number", person.ErrNumberLength.Error())}},
		"a required field that is empty":                     {"nhs_number,name\n" + a + ",\n", []row{bad(2, a, "empty_required", `the required field "name" is empty`)}},
		"a required field of white space":                    {"nhs_number,name\n" + a + ",\"\u00a0\t\n\"\n", []row{bad(2, a, "empty_required", `the required field "name" is empty`)}},
		"a bad number is shown up to 64 bytes and no half é": {"nhs_number,name\nx" + bell + ",Ann\n", []row{bad(2, "x"+bell[:62], "bad_number", person.ErrNumberDigits.Error())}},
	} {
		t.Run(sentence, func(t *testing.T) {
			o := ingest.Options{Fields: []string{"name"}, Required: []string{"name"}}
			for _, file := range []io.Reader{strings.NewReader(test.file), iotest.OneByteReader(strings.NewReader(test.file)), iotest.DataErrReader(strings.NewReader(test.file))} {
				got, summary, err := read(t, file, o)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got  %+v\nwant %+v", got, test.want)
				}
				if summary.Bytes != int64(len(test.file)) || summary.Records != int64(len(test.want)) {
					t.Errorf("summary %+v", summary)
				}
			}
		})
	}
}

func TestSummary(t *testing.T) {
	file := "nhs_number\n\n" + strings.Repeat("1\n", 7) + a + "\n" + a + "\n1,2\n1,2,3\n,\n"
	_, got, err := read(t, strings.NewReader(file), ingest.Options{BatchRows: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := `{11 2 2 0 9 2 45 [{bad_number the NHS number does not have ten digits 7 [3 4 5 6 7] [0 0 0 0 0]} {wrong_columns more values than the header has 2 [12 13] [0 0]}] []}`
	want = strings.Replace(want, "45", fmt.Sprint(len(file)), 1)
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// empty reports whether all values are invisible.
func empty(values []string) bool {
	return strings.Trim(strings.Join(values, ""), " ") == ""
}

func TestEveryRecordHasOneOutcome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var file strings.Builder
		file.WriteString("nhs_number,name,date\n")
		n := rapid.IntRange(1, 300).Draw(t, "records")
		value := rapid.SampledFrom([]string{a, b, "", "1", " ", "x\"y", "x,y", "x\ny", "é", "\xff", "\x00", "99 90000018", "9990000019"})
		records := int64(0)
		for range n {
			values := rapid.SliceOfN(value, 1, 4).Draw(t, "values")
			if !empty(values) {
				records++
			}
			for i, v := range values {
				if i > 0 {
					file.WriteByte(',')
				}
				file.WriteString(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
			}
			file.WriteString(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
		}
		rows, s, err := read(t, strings.NewReader(file.String()), ingest.Options{
			Fields:    []string{"date"},
			Required:  []string{"name", "date"},
			BatchRows: rapid.IntRange(1, 20).Draw(t, "rows"),
		})
		if records == 0 {
			if err == nil {
				t.Fatal("there are no records, and the file is taken")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int64{}
		for _, r := range rows {
			counts[r.code]++
			if (r.code == "null") != (r.fields != "null") || (r.code == "null") != (r.reason == "null") {
				t.Fatalf("%+v has no single outcome", r)
			}
		}
		for _, reason := range s.Reasons {
			counts[reason.Code] -= reason.Count
		}
		counts["null"] -= s.Sendable
		for code, left := range counts {
			if left != 0 {
				t.Fatalf("the summary and the rows differ by %d on %s", left, code)
			}
		}
		if len(rows) != int(records) || s.Records != records || s.Records != s.Sendable+s.Invalid || s.BlankLines != int64(n)-records {
			t.Fatalf("%d records in, %d rows and %+v out", records, len(rows), s)
		}
	})
}

func TestRetainedBatchesOutliveTheLoop(t *testing.T) {
	file := "nhs_number,name\n" + strings.Repeat(a+",Ann\n"+b+",Bob\n", 100)
	r, err := ingest.NewReader(strings.NewReader(file), "cohort.csv", ingest.Options{Fields: []string{"name"}, BatchRows: 2})
	if err != nil {
		t.Fatal(err)
	}
	var names []*array.String
	for batch, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		name := batch.Column(person.FirstField).(*array.String)
		name.Retain()
		names = append(names, name)
	}
	for _, name := range names {
		if name.Value(0) != "Ann" || name.Value(1) != "Bob" {
			t.Fatal("a retained column changed")
		}
		name.Release()
	}
	for _, err := range r.Records() {
		if err == nil {
			t.Error("records can be read twice")
		}
	}
}

func TestLongValuesEndABatchEarly(t *testing.T) {
	line := a + "," + strings.Repeat("x", 1_000_000) + "\n"
	r, err := ingest.NewReader(strings.NewReader("nhs_number,name\n"+strings.Repeat(line, 12)), "cohort.csv", ingest.Options{Fields: []string{"name"}})
	if err != nil {
		t.Fatal(err)
	}
	var rows []int64
	for batch, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, batch.NumRows())
	}
	if !slices.Equal(rows, []int64{5, 5, 2}) {
		t.Errorf("batches of %d rows", rows)
	}
}

func TestErrorsOfTheSourceArePassedOn(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, _, err := read(t, io.MultiReader(strings.NewReader("nhs_number\n"+a+"\n"), iotest.ErrReader(broken)), ingest.Options{})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "cohort.csv") {
		t.Errorf("got %v", err)
	}
}
