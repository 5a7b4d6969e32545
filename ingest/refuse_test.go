package ingest_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"cohort/ingest"
	"cohort/ingest/format"
)

func TestFilesThatAreRefused(t *testing.T) {
	const head = "nhs_number,name\n"
	for sentence, test := range map[string]struct{ file, want string }{
		"an empty file":              {"", "cohort.csv: the file is empty; ask the sender for the file again"},
		"only a byte order mark":     {"\xef\xbb\xbf", "cohort.csv: the file is empty; ask the sender for the file again"},
		"only empty lines":           {"\n\r\n", "cohort.csv: the file holds nothing but empty lines; ask the sender for the file again"},
		"a header and no records":    {head + "\n\n", "cohort.csv: there are no records after the header line; ask the sender for the file again"},
		"gzip":                       {"\x1f\x8b\x08\x00", "cohort.csv: the gzip file is cut short; ask the sender for the file again"},
		"zstd":                       {"\x28\xb5\x2f\xfd\x00", "cohort.csv: the zstd file is cut short; ask the sender for the file again"},
		"bzip2":                      {"BZh91AY&SY\x00\xff", "cohort.csv: this is a bzip2 file; decompress it first (bunzip2)"},
		"zip":                        {"PK\x03\x04cohort.csv", "cohort.csv: this is a zip file, which cannot be read from a stream; give it as a file, or unzip it first"},
		"xls":                        {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "cohort.csv: this is an Excel workbook (xls); save the sheet as CSV UTF-8"},
		"Parquet":                    {"PAR1\x15\x04", "cohort.csv: this is a Parquet file, which cannot be read from a stream; give it as a file"},
		"UTF-16 with its mark":       {"\xff\xfen\x00h", "cohort.csv: the file ends in the middle of a UTF-16 character; ask the sender for the file again"},
		"UTF-16 without its mark":    {"\x00n\x00h\x00s\x00\n", "cohort.csv: this looks like a UTF-16 text file; set cohort.format.encoding: utf-16le (or utf-16be), or save it as UTF-8"},
		"JSON":                       {"[\n  {\"nhs_number\": \"" + a + "\"}]\n", "cohort.csv: this is a JSON file; export the cohort as CSV"},
		"JSON lines":                 {"{\"nhs_number\": \"" + a + "\"}\n", "cohort.csv: this is a JSON file; export the cohort as CSV"},
		"a log-in page":              {"\n<!DOCTYPE html>\n<html><head>\n", "cohort.csv: this is an HTML page, not a cohort; download the file again; the page may be a log-in page"},
		"XML":                        {"<?xml version=\"1.0\"?>\n<people/>\n", "cohort.csv: this is an XML file; export the cohort as CSV"},
		"names in brackets":          {"[number],[name]\n" + a + ",Ann\n", `cohort.csv:1: there is no column "nhs_number"; make sure that the first line names the columns; if it does, add to the campaign, under cohort: columns: {nhs_number: "NAME OF THE COLUMN"}`},
		"a binary file":              {"ab\x00\x01\x02\n", "cohort.csv: this is a binary file, not text; export the cohort as CSV"},
		"carriage returns alone":     {"nhs_number,name\r" + a + ",Ann\r", "cohort.csv:1: the lines end in a carriage return alone; save the file with LF or CRLF line ends"},
		"a header in Windows-1252":   {"nhs_number,pr\xe9nom\n" + a + ",Ann\n", "cohort.csv:1: the header line holds bytes that are not UTF-8; save the file as UTF-8, or set cohort.format.encoding: windows-1252 if that is what it is"},
		"no column for the number":   {"\nnumber,name\n" + a + ",Ann\n", `cohort.csv:2: there is no column "nhs_number"; the columns are "number", "name"; add to the campaign, under cohort: columns: {nhs_number: "NAME OF THE COLUMN"}`},
		"another case":               {"NHS_Number,name\n" + a + ",Ann\n", `cohort.csv:1: there is no column "nhs_number", but there is "NHS_Number"; add to the campaign, under cohort: columns: {nhs_number: "NHS_Number"}`},
		"a column that is missing":   {"nhs_number\n" + a + "\n", `cohort.csv:1: there is no column "name"; the columns are "nhs_number"; add to the campaign, under cohort: columns: {name: "NAME OF THE COLUMN"}`},
		"no header at all":           {a + ",Ann\n" + b + ",Bob\n", "cohort.csv:1: the first line looks like data, not like a header line; add a header line that names the columns, or set cohort.format.header: false and give their positions under cohort.columns"},
		"no header and a bad number": {"9990000019,Ann\n", "cohort.csv:1: the first line looks like data, not like a header line; add a header line that names the columns, or set cohort.format.header: false and give their positions under cohort.columns"},
		"no header but a date":       {"Ann,01/02/1950\n", "cohort.csv:1: the first line looks like data, not like a header line; add a header line that names the columns, or set cohort.format.header: false and give their positions under cohort.columns"},
		"a needed column twice":      {"nhs_number,name,name\n" + a + ",Ann,Ann\n", "cohort.csv:1: columns 2 and 3 could both be the field name; rename one of the two, or name only one of them under cohort.columns"},
		"a quote inside a value":     {head + "\n" + a + ",\"x\ny\"\n" + b + ",Bo\"b\n", "cohort.csv:5: there is a quote inside a value that does not begin with one; put the value in quotes and double every quote inside it"},
		"text after a closing quote": {head + a + ",\"x\"y\n", "cohort.csv:2: there is text after a closing quote; put the value in quotes and double every quote inside it"},
		"a quote closed on another line by the next quote": {head + a + ",\"Ann\n" + b + ",\"Bob\"\n", "cohort.csv:3: there is text after a closing quote (the quote was opened on line 2); put the value in quotes and double every quote inside it"},
		"a quote never closed":                             {head + a + ",\"x\ny\"\n" + b + ",\"Bob\n" + c + ",Cy\n", "cohort.csv:4: a quote is opened and never closed; close it, or put the value in quotes and double every quote inside it"},
		"a quote opened late in a record":                  {head + "\"x\n\n\",\"Bob\n", "cohort.csv:4: a quote is opened and never closed; close it, or put the value in quotes and double every quote inside it"},
		"a quote open for more than 1 MiB":                 {head + a + ",\"" + strings.Repeat("x\n", 1<<20), "cohort.csv:2: a quote is opened and not closed within 1 MiB; close it, or put the value in quotes and double every quote inside it"},
		"a record of more than 1 MiB":                      {head + a + "," + strings.Repeat("x", 1<<20-11) + "\n", "cohort.csv:2: a record is longer than 1 MiB; make sure that this is a CSV with one record a line"},
		"carriage returns alone after the header":          {head + strings.Repeat(a+",Ann\r", 1<<17), "cohort.csv:2: a record is longer than 1 MiB and holds carriage returns alone; save the file with LF or CRLF line ends"},
		"a header of more than 1 MiB":                      {strings.Repeat("x", 1<<21), "cohort.csv:1: a record is longer than 1 MiB; make sure that this is a CSV with one record a line"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := read(t, strings.NewReader(test.file), ingest.Options{Fields: []string{"name"}})
			if _, ok := errors.AsType[*format.FileError](err); !ok {
				t.Fatalf("got %v", err)
			}
			if err.Error() != test.want {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestARecordOfOneMebibyteIsRead(t *testing.T) {
	file := "nhs_number,name\n" + a + "," + strings.Repeat("x", 1<<20-12) + "\n" + b + ",Bob\n"
	rows, _, err := read(t, strings.NewReader(file), ingest.Options{})
	if err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestColumnsAreFoundByTheirAliases(t *testing.T) {
	o := ingest.Options{
		Columns: map[string][]string{"nhs_number": {"NHS No", "NHS Number"}, "name": {"First Name"}},
		Fields:  []string{"postcode", "name"},
	}
	rows, _, err := read(t, strings.NewReader("First Name,NHS Number,postcode,name\nAnn,"+a+",ZZ1 1ZZ,other\n"), o)
	if err != nil || len(rows) != 1 || rows[0].number != a || rows[0].fields != "ZZ1 1ZZ|Ann" {
		t.Errorf("got %+v, %v", rows, err)
	}
	_, _, err = read(t, strings.NewReader("nhs_number\n"+a+"\n"), o)
	if want := `cohort.csv:1: there is no column "NHS No" or "NHS Number" for the field nhs_number, but there is "nhs_number"; add to the campaign, under cohort: columns: {nhs_number: "nhs_number"}`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	_, _, err = read(t, strings.NewReader("NHS No,NHS Number\n"+a+","+a+"\n"), ingest.Options{Columns: o.Columns})
	if err == nil || !strings.Contains(err.Error(), "columns 1 and 2 could both be the field nhs_number") {
		t.Errorf("got %v", err)
	}
}

func TestDuplicateHeadersThatNobodyNeedsDoNotMatter(t *testing.T) {
	if _, _, err := read(t, strings.NewReader("nhs_number,x,x\n"+a+",1,2\n"), ingest.Options{}); err != nil {
		t.Error(err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []ingest.Options{{BatchRows: -1}, {Fields: []string{"nhs_number"}}, {Fields: []string{"x", "x"}}} {
		if _, _, err := read(t, strings.NewReader("nhs_number,x\n"+a+",1\n"), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// endless yields its text for ever and counts what was taken.
type endless struct {
	head string
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	e.read += n
	return n, nil
}

func TestEndlessRecordsAreRefusedSoon(t *testing.T) {
	for sentence, file := range map[string]*endless{
		"an endless quoted value":   {head: "nhs_number\n" + a + "\n\"", text: "x\n"},
		"an endless line":           {head: "nhs_number\n" + a + "\n", text: "x"},
		"an endless line of commas": {head: "nhs_number\n" + a + "\n", text: ","},
		"an endless header":         {text: "x,"},
		"an endless quoted header":  {head: "\"", text: "x"},
	} {
		var refused *format.FileError
		_, _, err := read(t, file, ingest.Options{})
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", sentence, err)
		}
		if file.read > 4<<20 {
			t.Errorf("%s: refused after %d bytes", sentence, file.read)
		}
	}
}

func TestMemoryIsFlatInTheSizeOfTheFile(t *testing.T) {
	file := io.LimitReader(&endless{head: "nhs_number,name\n", text: a + ",Ann\n"}, 48<<20)
	r, err := ingest.NewReader(file, "cohort.csv", ingest.Options{Fields: []string{"name"}})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC() // twice, for what other tests have left in pools
	runtime.GC()
	least, most, batches := uint64(1<<63), uint64(0), 0
	for _, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if batches++; batches%100 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			least, most = min(least, m.HeapAlloc), max(most, m.HeapAlloc)
		}
	}
	if r.Summary().Records < 3_200_000 || most-least > 24<<20 {
		t.Errorf("%d records, from %d to %d bytes in use", r.Summary().Records, least, most)
	}
}

func TestLongRecordsOfEverySizeAreReadInFull(t *testing.T) {
	sizes := []int{1, 1 << 17, 1<<18 - 1, 1 << 18, 1<<18 + 1, 1 << 19, 3, 1<<20 - 100, 1<<20 - 200, 7}
	var file strings.Builder
	file.WriteString("nhs_number,name\n")
	for _, size := range sizes {
		file.WriteString(a + "," + strings.Repeat("x", size) + "\n" + b + ",\"" + strings.Repeat("y\n", size/2) + "\"\r\n")
	}
	for _, r := range []io.Reader{strings.NewReader(file.String()), iotest.HalfReader(strings.NewReader(file.String()))} {
		rows, _, err := read(t, r, ingest.Options{Fields: []string{"name"}})
		if err != nil || len(rows) != 2*len(sizes) {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		line := int64(2)
		for i, size := range sizes {
			plain, quoted := rows[2*i], rows[2*i+1]
			if plain.line != line || quoted.line != line+1 || len(plain.fields) != size || len(quoted.fields) != size/2*2 {
				t.Fatalf("the record of %d bytes is cut wrongly", size)
			}
			line += 2 + int64(size/2)
		}
	}
}
