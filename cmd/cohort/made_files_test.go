package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"cohort/fixtures"
)

// These functions make the cohort files for the tests of check and send. Package fixtures makes up
// the people.

// Must returns a value that was made without an error.
func Must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// Numbers returns n NHS numbers from the range that was never issued.
func Numbers(n int) []string {
	var text bytes.Buffer
	Must(fixtures.Cohort{People: n, Seed: 3}.WriteCSV(&text))
	records := Must(csv.NewReader(&text).ReadAll())
	var all []string
	for _, record := range records[1:] {
		all = append(all, strings.ReplaceAll(record[0], " ", ""))
	}
	return all
}

// parted writes a number 3-3-4 with something in between.
func parted(number, by string) string { return number[:3] + by + number[3:6] + by + number[6:] }

// wrong gives a number another check digit.
func wrong(number string) string {
	return number[:9] + string('0'+(number[9]-'0'+1)%10)
}

// sheet is the records of a file of rows; the first may be its header.
type sheet [][]string

// text writes the sheet out, with quotes where a value needs them.
func (s sheet) text(delimiter string) string {
	var b strings.Builder
	for _, record := range s {
		for k, value := range record {
			if k > 0 {
				b.WriteString(delimiter)
			}
			if strings.ContainsAny(value, "\"\r\n"+delimiter) {
				value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
			}
			b.WriteString(value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// crlf gives a text the line ends of Windows, those inside quotes too.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// mixed gives every other line the line end of Windows.
func mixed(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i += 2 {
		lines[i] = crlf(lines[i])
	}
	return strings.Join(lines, "")
}

func utf16Of(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, c := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, c)
	}
	return string(b)
}

// windows1252 encodes Latin letters and the euro sign.
func windows1252(text string) string {
	var b []byte
	for _, r := range text {
		if r == '€' {
			r = 0x80
		}
		b = append(b, byte(r))
	}
	return string(b)
}

func gzipOf(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	Must(io.WriteString(w, text))
	Must(0, w.Close())
	return b.String()
}

func zstdOf(text string) string {
	w := Must(zstd.NewWriter(nil))
	return string(w.EncodeAll([]byte(text), nil))
}

// zipOf makes a zip of one file in a folder.
func zipOf(name, text string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	Must(w.Create("extract/"))
	Must(io.WriteString(Must(w.Create("extract/"+name)), text))
	Must(0, w.Close())
	return b.String()
}

// extract is a file of the breast screening system: pipes, every value in quotes, and
// records that say what they are. rows say the values of the headings that matter; the
// others are empty.
func extract(headings string, rows ...map[string]string) string {
	names := strings.Split(headings, "|")
	var b strings.Builder
	line := func(values ...string) { b.WriteString(`"` + strings.Join(values, `"|"`) + "\"\r\n") }
	line("NBSSAPPT_HDR", "00000106", "20261121", "091221", fmt.Sprintf("%06d", len(rows)))
	line(append([]string{"NBSSAPPT_FLDS"}, names...)...)
	for i, row := range rows {
		values := []string{"NBSSAPPT_DATA"}
		for _, name := range names {
			value := row[name]
			if name == "Sequence" {
				value = fmt.Sprintf("%06d", i+1)
			}
			values = append(values, value)
		}
		line(values...)
	}
	line("NBSSAPPT_END", "00000106", "20261121", "091221", fmt.Sprintf("%06d", len(rows)))
	return b.String()
}

// The headings of an extract, as one edition of it misspells them and as another has them.
const (
	headings      = "Sequence|BSO|Action|Clinic Code|Status|Appointment ID|NHS Num|Epsiode Type|Episode Start|Screen or Asses|Appt Date|Appt Time|Clinic Name (Let)|Postcode|Action Timestamp"
	otherHeadings = "Sequence|BSO|Action|Clinic Code|Status|Appointment ID|NHS_Num|Episode Type|Episode Start|Screen or Assess|Appt Date|Appt Time|Clinic Name (Let)|Postcode|Action Timestamp"
)

// caas is a row as the cohort service hands it out.
type caas struct {
	RecordType string `parquet:"record_type"`
	NHSNumber  *int64 `parquet:"nhs_number,optional"`
	GivenName  string `parquet:"given_name"`
	Born       *int32 `parquet:"date_of_birth,optional,date"`
	Changed    int64  `parquet:"change_time_stamp,timestamp(millisecond)"`
}

// caasText is the same with the number as text.
type caasText struct {
	RecordType string `parquet:"record_type"`
	NHSNumber  string `parquet:"nhs_number"`
	GivenName  string `parquet:"given_name"`
}

// parquetOf writes rows as Parquet, two to a row group.
func parquetOf[Row any](rows ...Row) string {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[Row](&b, parquet.MaxRowsPerRowGroup(2))
	Must(w.Write(rows))
	Must(0, w.Close())
	if groups := len(Must(parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))).RowGroups()); len(rows) > 2 && groups < 2 {
		panic("a Parquet file of one row group")
	}
	return b.String()
}

// arrowOf writes a sheet of text as an Arrow file, or stream, in two record batches.
func arrowOf(s sheet, stream bool) string {
	var fields []arrow.Field
	for _, name := range s[0] {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String})
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, record := range s[1:] {
		for k, value := range record {
			builder.Field(k).(*array.StringBuilder).Append(value)
		}
	}
	all := builder.NewRecord()
	parts := []arrow.Record{all.NewSlice(0, 2), all.NewSlice(2, all.NumRows())}
	write := func(w interface {
		Write(arrow.Record) error
		Close() error
	}) {
		for _, part := range parts {
			Must(0, w.Write(part))
		}
		Must(0, w.Close())
	}
	if stream {
		var b bytes.Buffer
		write(ipc.NewWriter(&b, ipc.WithSchema(all.Schema())))
		return b.String()
	}
	f := Must(os.CreateTemp("", "arrow-"))
	defer func() { _ = os.Remove(f.Name()) }()
	write(Must(ipc.NewFileWriter(f, ipc.WithSchema(all.Schema()))))
	Must(0, f.Close())
	return string(Must(os.ReadFile(f.Name())))
}

// lay writes files into a folder of their own and returns it.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// campaignOf is a campaign file of the given lines. It needs no keys to be checked.
func campaignOf(lines string) string {
	return "campaign: fixture-files\npace: {per_second: 0}\n" + lines + `
sink:
  notify:
    base_url: http://127.0.0.1:1/comms
    token_url: http://127.0.0.1:1/oauth2/token
    api_key_file: api-key
    key_id: test-1
    private_key_file: key.pem
    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1
`
}
