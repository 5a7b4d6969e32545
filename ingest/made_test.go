package ingest_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"

	"cohort/ingest"
	"cohort/ingest/person"
)

// must returns what was made, in tests where making cannot fail.
func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write([]byte(text)))
	must(0, w.Close())
	return b.String()
}

func zstded(text string) string {
	w := must(zstd.NewWriter(nil))
	return string(w.EncodeAll([]byte(text), nil))
}

// skippable makes one of the 16 frames that a reader of zstd skips.
func skippable(which byte, text string) string {
	return string(binary.LittleEndian.AppendUint32([]byte{0x50 + which, 0x2a, 0x4d, 0x18}, uint32(len(text)))) + text
}

// zipped makes a zip of names and their texts, one behind the other.
func zipped(members ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		must(must(w.Create(members[i])).Write([]byte(members[i+1])))
	}
	must(0, w.Close())
	return b.String()
}

func utf16ed(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, c := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, c)
	}
	return string(b)
}

// nbss makes an extract of records of three values.
func nbss(declared string, rows ...string) string {
	var b strings.Builder
	b.WriteString("\"NBSSAPPT_HDR\"|\"00000042\"|\"20241202\"|\"091221\"|\"" + declared + "\"\r\n")
	b.WriteString("\"NBSSAPPT_FLDS\"|\"Action\"|\"NHS Num\"|\"Epsiode Type\"|\"Appt Date\"|\"Action Timestamp\"\r\n")
	for _, row := range rows {
		b.WriteString("\"NBSSAPPT_DATA\"|\"" + strings.ReplaceAll(row, ",", "\"|\"") + "\"\r\n")
	}
	return b.String()
}

const nbssEnd = "\"NBSSAPPT_END\"|\"00000042\"|\"20241202\"|\"091221\"|\"000002\"\r\n"

// table is a small cohort in columns: numbers as int64 where whole, as text otherwise.
func table(whole bool) arrow.Record {
	number := arrow.Field{Name: "nhs_number", Type: arrow.BinaryTypes.String, Nullable: true}
	if whole {
		number.Type = arrow.PrimitiveTypes.Int64
	}
	fields := []arrow.Field{
		number,
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "born", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "changed", Type: &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}, Nullable: true},
		{Name: "age", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "dead", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for i, n := range []string{a, "0101010109", "1", "", b2} {
		switch f := b.Field(0).(type) {
		case *array.Int64Builder:
			if n == "" {
				f.AppendNull()
			} else {
				var v int64
				must(fmt.Sscan(strings.TrimLeft(n, "0"), &v))
				f.Append(v)
			}
		case *array.StringBuilder:
			if n == "" {
				f.AppendNull()
			} else {
				f.Append(n)
			}
		}
		if i == 4 {
			for k := 1; k < len(fields); k++ {
				b.Field(k).AppendNull()
			}
			continue
		}
		b.Field(1).(*array.StringBuilder).Append("Siân")
		b.Field(2).(*array.Date32Builder).Append(arrow.Date32(i))
		b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(1500 + i))
		b.Field(4).(*array.Int32Builder).Append(int32(40 + i))
		b.Field(5).(*array.Float64Builder).Append(0.5)
		b.Field(6).(*array.BooleanBuilder).Append(i == 0)
		b.Field(7).(*array.ListBuilder).Append(true)
	}
	return b.NewRecord()
}

const b2 = b

// parqueted writes a record as Parquet, two rows to a row group.
func parqueted(record arrow.Record) string {
	var out bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithMaxRowGroupLength(2))
	w := must(pqarrow.NewFileWriter(record.Schema(), &out, props, pqarrow.DefaultWriterProps()))
	must(0, w.Write(record))
	must(0, w.Close())
	return out.String()
}

func arrowed(record arrow.Record, stream bool, options ...ipc.Option) string {
	path := filepath.Join(must(os.MkdirTemp("", "arrow")), "f")
	defer func() { must(0, os.RemoveAll(filepath.Dir(path))) }()
	out := must(os.Create(path))
	options = append(options, ipc.WithSchema(record.Schema()))
	if stream {
		w := ipc.NewWriter(out, options...)
		must(0, w.Write(record))
		must(0, w.Write(record.NewSlice(0, 1)))
		must(0, w.Close())
	} else {
		w := must(ipc.NewFileWriter(out, options...))
		must(0, w.Write(record))
		must(0, w.Close())
	}
	must(0, out.Close())
	return string(must(os.ReadFile(path)))
}

// worded is a table of numbers and names, the names in a dictionary, as polars and pandas
// write what they call a category.
func worded() arrow.Record {
	names := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "nhs_number", Type: arrow.BinaryTypes.LargeString}, {Name: "given_name", Type: names, Nullable: true},
	}, nil))
	for _, name := range []string{"Ann", "", "Siân", "Ann"} {
		b.Field(0).(*array.LargeStringBuilder).Append(a)
		if name == "" {
			b.Field(1).AppendNull()
		} else {
			must(0, b.Field(1).(*array.BinaryDictionaryBuilder).AppendString(name))
		}
	}
	return b.NewRecord()
}

// save writes a file into a folder of its own.
func save(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// told prints each record as file:line, what became of it, and what it carries.
func told(r *ingest.Reader) (lines []string, err error) {
	for batch, err := range r.Records() {
		if err != nil {
			return nil, err
		}
		text := func(column, i int) string { return batch.Column(column).(*array.String).Value(i) }
		for i := range int(batch.NumRows()) {
			if row := batch.Column(person.ColumnRow).(*array.Int64).Value(i); row != int64(len(lines)+1) {
				return nil, fmt.Errorf("row %d where %d should be", row, len(lines)+1)
			}
			s := fmt.Sprintf("%d:%d ", batch.Column(person.ColumnFile).(*array.Uint16).Value(i), batch.Column(person.ColumnLine).(*array.Int64).Value(i))
			if n := batch.Column(person.ColumnNumber).(*array.Uint64); n.IsValid(i) {
				s += fmt.Sprintf("%010d", n.Value(i))
				for k := person.FirstField; k < int(batch.NumCols()); k++ {
					s += "|" + text(k, i)
				}
			} else {
				s += text(person.ColumnCode, i) + " " + text(person.ColumnFound, i)
			}
			if ref := batch.Column(person.ColumnReference); ref.IsValid(i) {
				s += " ref " + text(person.ColumnReference, i)
			}
			if order := batch.Column(person.ColumnOrder).(*array.Int64).Value(i); order != 0 {
				s += fmt.Sprint(" order ", order)
			}
			if batch.Column(person.ColumnWithdrawn).(*array.Boolean).Value(i) {
				s += " withdrawn"
			}
			lines = append(lines, s)
		}
	}
	return lines, nil
}
