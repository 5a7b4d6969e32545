package ingest

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// account is all that a reader says of a cohort.
type account struct {
	rows    []string // every column of every row
	lines   []int64
	codes   []string
	values  [][]string // of the fields; nil of an invalid row
	summary string
	err     string
}

// accountOf reads a stream, in chunks when workers parse it.
func accountOf(src io.Reader, o Options, workers, chunk int) (a account) {
	d, err := NewReader(src, "c", o)
	if err != nil {
		return account{err: err.Error()}
	}
	d.workers, d.chunk = workers, chunk
	for batch, err := range d.Records() {
		if err != nil {
			a.err = err.Error()
			break
		}
		if batch.NumRows() == 0 || batch.NumRows() > int64(d.options.BatchRows) {
			a.err = fmt.Sprint("a batch of ", batch.NumRows(), " rows")
		}
		for i := range int(batch.NumRows()) {
			var row []string
			for k := range int(batch.NumCols()) {
				row = append(row, batch.Column(k).ValueStr(i))
			}
			a.rows = append(a.rows, strings.Join(row, "|"))
			a.lines = append(a.lines, batch.Column(person.ColumnLine).(*array.Int64).Value(i))
			a.codes = append(a.codes, strings.Clone(batch.Column(person.ColumnCode).(*array.String).Value(i)))
			var values []string
			for k := person.FirstField; k < int(batch.NumCols()) && batch.Column(person.ColumnNumber).IsValid(i); k++ {
				values = append(values, strings.Clone(batch.Column(k).(*array.String).Value(i)))
			}
			a.values = append(a.values, values)
		}
	}
	a.summary = fmt.Sprintf("%+v", d.Summary())
	return a
}

// differs describes the difference of two accounts; "" for none. A refused one may lack
// rows that were not yielded yet.
func (a account) differs(b account) string {
	if a.err != b.err {
		return fmt.Sprintf("%q and %q", a.err, b.err)
	}
	if a.err != "" {
		n := min(len(a.rows), len(b.rows))
		a.rows, b.rows = a.rows[:n], b.rows[:n]
		// How much a source has given when the reader leaves is not the file's account.
		a.summary, _, _ = strings.Cut(a.summary, " Bytes:")
		b.summary, _, _ = strings.Cut(b.summary, " Bytes:")
	}
	if !slices.Equal(a.rows, b.rows) {
		return fmt.Sprintf("%q and %q", a.rows, b.rows)
	}
	if a.summary != b.summary {
		return a.summary + " and " + b.summary
	}
	return ""
}

var errBroken = errors.New("the source is broken")

// FuzzChunks reads text in chunks of a few bytes by several workers. What comes out is
// what one goroutine makes of it, and what encoding/csv does.
func FuzzChunks(f *testing.F) {
	for i, seed := range []string{
		"#,Ann,1\n#,Bob,2\n", "#,\"A\nn\",1\r\n\r\n#,\"\"\"\n\",2\n\n", "#,A\"n,1\n", "#,\"A\"n,1\n#,\"B\n", "#,Ann,1\n#,\"Bob\n#,Cy,3\n", "1\n2\n3\n\xff,x,1\n",
		"#,a,20\n#,b,20240101\n#,c,x\n", "#,a,20240101\n#,b,20\n#,c,\n", "#,a,\n#,b,x\n#,c,7\n#,d,20240101\n", "#,a,1\r", "\r\n#,a,1\r\n\r", "#,\"\n\n\n\n\n\",1\n#,\"\n\n\n\n\n\n\"x,1\n",
		"\"#\",\"a\",\"1\"\n\"#\",\"b\"\"\",\"2\"\r\n\"#\",\"\"\"\n\"\"\",\"3\"\n", "#,\"a\"\r", "#,\"a\"\r\"\n", "#,Zo\xc3\xab,1\n#,\x00,2\n#, ,3\n",
	} {
		for k := range uint64(5) {
			f.Add([]byte(seed), k*7+uint64(i))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		if len(text) > 1<<14 {
			t.Skip()
		}
		text = append([]byte("nhs_number,name,serial\n"), bytes.ReplaceAll(text, []byte{'#'}, []byte("9990000018"))...)
		o := Options{
			Fields: []string{"name", "serial"}, Required: []string{"name"}, BatchRows: 1 + int(seed>>8%7),
			Format: format.Format{Type: format.TypeCSV, Delimiter: ","},
		}
		if seed>>16%2 == 0 {
			o.LatestBy = "serial"
		}
		source := func() io.Reader {
			if seed>>17%4 == 3 {
				return io.MultiReader(&pieces{text, seed}, broken{})
			}
			return &pieces{text, seed}
		}
		whole := accountOf(source(), o, 0, 0)
		parts := accountOf(source(), o, 1+int(seed>>20%3), 1+int(seed%64))
		if what := whole.differs(parts); what != "" {
			t.Fatalf("of %q one goroutine and several make %s", text, what)
		}
		if seed>>17%4 != 3 && !bytes.Contains(text, []byte(`="`)) { // which encoding/csv has not
			againstCSV(t, text, parts)
		}
	})
}

// broken is a source that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// againstCSV holds an account against encoding/csv.
func againstCSV(t *testing.T, text []byte, a account) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	_, _ = r.Read()
	for n := 0; ; n++ {
		record, err := r.Read()
		for err == nil && strings.TrimFunc(strings.Join(record, ""), func(r rune) bool { return r == '"' || r == ',' || person.Invisible(r) && !person.Stray(r) }) == "" {
			record, err = r.Read() // which is no record to us
		}
		if err != nil {
			if err == io.EOF && n > 0 && a.err != "" && !strings.Contains(a.err, "this is a binary file") && !strings.Contains(a.err, "UTF-16") && !strings.Contains(a.err, "would be a record by itself") && !strings.Contains(a.err, "carriage return alone") {
				t.Fatalf("%q is refused: %s", text, a.err)
			}
			if err != io.EOF && a.err == "" {
				t.Fatalf("encoding/csv refuses %q: %v", text, err)
			}
			if a.err == "" && n != len(a.rows) {
				t.Fatalf("%q has %d records, not %d", text, n, len(a.rows))
			}
			return
		}
		if n >= len(a.rows) {
			if a.err == "" {
				t.Fatalf("%q has more than %d records", text, n)
			}
			return
		}
		if line, _ := r.FieldPos(0); a.lines[n] != int64(line) {
			t.Fatalf("record %d of %q starts on line %d, not %d", n, text, line, a.lines[n])
		}
		if (len(record) != 3) != (a.codes[n] == person.CodeWrongColumns) {
			t.Fatalf("record %d of %q has %d values: %s", n, text, len(record), a.codes[n])
		}
		if a.values[n] != nil && !slices.Equal(a.values[n], record[1:]) {
			t.Fatalf("record %d of %q: got %q, want %q", n, text, a.values[n], record[1:])
		}
	}
}

// pieces is a reader that returns its bytes in pieces. A seed decides their sizes.
type pieces struct {
	rest []byte
	seed uint64
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	c.seed = c.seed*6364136223846793005 + 1442695040888963407
	n := copy(p, c.rest[:min(len(c.rest), 1+int(c.seed>>60))])
	c.rest = c.rest[n:]
	return n, nil
}
