package ingest_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal256"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"

	"cohort/ingest"
	"cohort/ingest/format"
	"cohort/ingest/value"
)

var london = must(time.LoadLocation("Europe/London"))

// What other writers' columns hold, in Europe/London, and what becomes of it as a date.
func TestColumnsOfOtherWriters(t *testing.T) {
	const day = "2026-07-01"
	for file, test := range map[string]struct{ plain, asDate string }{
		"13-lz4-polars.parquet":         {"Ann", "bad_type 9990001006"},
		"13-lz4-raw-duckdb.parquet":     {"Ann", "bad_type 9990001006"},
		"15-bst-midnight-int96.parquet": {day + "T00:00:00+01:00", "9990001006|" + day},
		"15-bst-midnight-tz.parquet":    {day + "T00:00:00+01:00", "9990001006|" + day},
		"15-naive-midnight.parquet":     {"2026-11-29T00:00:00", "9990001006|2026-11-29"},
		"15-naive-polars.parquet":       {day + "T00:00:00", "9990001006|" + day},
		"08-decimal-12-2.parquet":       {"Ann", "bad_type 9990001006"},
	} {
		path := filepath.Join("../cmd/cohort/testdata/cases", file)
		read := func(o ingest.Options) string {
			o.Fields, o.Zone = []string{"given_name"}, london
			return strings.TrimPrefix(must(told(must(ingest.Open(t.Context(), []string{path}, o))))[0], "0:1 ")
		}
		if got := read(ingest.Options{}); got != "9990001006|"+test.plain {
			t.Errorf("%s: %s, want %s", file, got, test.plain)
		}
		if got := read(ingest.Options{Types: map[string]value.Type{"given_name": value.Date}}); got != test.asDate {
			t.Errorf("%s as a date: %s, want %s", file, got, test.asDate)
		}
		routed := ingest.Options{Routes: []ingest.Route{{When: []ingest.Condition{{Field: "given_name", From: day, To: day}}}, {}}}
		if got := read(routed); strings.HasPrefix(test.plain, day) != strings.HasSuffix(got, "|"+day) {
			t.Errorf("%s by a route: %s", file, got)
		}
	}
}

// parquet1 makes a file of one person with one more column.
func parquet1(node parquet.Node, value any) string {
	var out bytes.Buffer
	w := parquet.NewWriter(&out, parquet.NewSchema("people", parquet.Group{"nhs_number": parquet.String(), "x": node}))
	must(0, w.Write(map[string]any{"nhs_number": a, "x": value}))
	must(0, w.Close())
	return out.String()
}

func TestTextOfParquetTypes(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	midday := uint64(12 * time.Hour)
	julian := deprecated.Int96{uint32(midday), uint32(midday >> 32), 2461223}
	for sentence, test := range map[string]struct {
		file, want string
	}{
		"UINT64 beyond the signed": {parquet1(parquet.Uint(64), uint64(math.MaxUint64)), "18446744073709551615"},
		"UINT32":                   {parquet1(parquet.Uint(32), uint32(math.MaxUint32)), "4294967295"},
		"INT8":                     {parquet1(parquet.Int(8), int8(-7)), "-7"},
		"DECIMAL of an integer":    {parquet1(parquet.Decimal(2, 9, parquet.Int32Type), int32(-105)), "-1.05"},
		"DECIMAL below one":        {parquet1(parquet.Decimal(4, 18, parquet.Int64Type), int64(5)), "0.0005"},
		"DECIMAL of bytes":         {parquet1(parquet.Decimal(2, 38, parquet.FixedLenByteArrayType(16)), [16]byte(append(bytes.Repeat([]byte{0xff}, 15), 0x9c))), "-1.00"},
		"DOUBLE":                   {parquet1(parquet.Leaf(parquet.DoubleType), 0.25), "0.25"},
		"DOUBLE that is none":      {parquet1(parquet.Leaf(parquet.DoubleType), math.NaN()), ""},
		"FLOAT":                    {parquet1(parquet.Leaf(parquet.FloatType), float32(0.1)), "0.1"},
		"BOOLEAN":                  {parquet1(parquet.Leaf(parquet.BooleanType), true), "true"},
		"fixed length":             {parquet1(parquet.Leaf(parquet.FixedLenByteArrayType(3)), [3]byte{'a', 'b', 'c'}), "abc"},
		"an enumeration":           {parquet1(parquet.Enum(), "F"), "F"},
		"DATE":                     {parquet1(parquet.Date(), int32(-1)), "1969-12-31"},
		"TIME":                     {parquet1(parquet.Time(parquet.Millisecond), int32(34_200_000)), "09:30:00"},
		"a summer's instant":       {parquet1(parquet.Timestamp(parquet.Microsecond), noon.UnixMicro()), "2026-07-01T13:00:00+01:00"},
		"a winter's instant":       {parquet1(parquet.Timestamp(parquet.Nanosecond), noon.AddDate(0, 6, 0).UnixNano()), "2027-01-01T12:00:00Z"},
		"before 1970":              {parquet1(parquet.TimestampAdjusted(parquet.Millisecond, false), int64(-1)), "1969-12-31T23:59:59.999"},
		"a time without a zone":    {parquet1(parquet.TimestampAdjusted(parquet.Nanosecond, false), noon.UnixNano()), "2026-07-01T12:00:00"},
		"INT96":                    {parquet1(parquet.Leaf(parquet.Int96Type), julian), "2026-07-01T13:00:00+01:00"},
		"a UUID":                   {parquet1(parquet.UUID(), [16]byte{15: 1}), "00000000-0000-0000-0000-000000000001"},
	} {
		r, err := ingest.Open(t.Context(), []string{save(t, "c", test.file)}, ingest.Options{Fields: []string{"x"}, Zone: london})
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		if got, err := told(r); err != nil || got[0] != "0:1 "+a+"|"+test.want {
			t.Errorf("%s: %q %v, want %s", sentence, got, err, test.want)
		}
	}
}

// Every encoding and way of packing gives the values that were written, in both kinds of
// pages.
func TestEncodingsOfParquet(t *testing.T) {
	for _, encoding := range []string{"plain", "dict", "delta", "delta_length"} {
		for _, codec := range []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Lz4Raw, &parquet.Zstd, &parquet.Gzip, &parquet.Brotli} {
			for version := 1; version <= 2; version++ {
				got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c", encoded(encoding, codec, version))}, ingest.Options{Fields: []string{"given_name"}})))
				if err != nil || len(got) != 300 {
					t.Fatalf("%s, %s, %d: %d rows, %v", encoding, codec, version, len(got), err)
				}
				for i, row := range got {
					want := strings.Repeat("Siân", i%3)
					if i%7 == 0 {
						want = ""
					}
					if row != fmt.Sprintf("0:%d 9990001006|%s", i+1, want) {
						t.Fatalf("%s, %s, %d: row %d is %s", encoding, codec, version, i, row)
					}
				}
			}
		}
	}
}

// NHS numbers as numbers: one that has its ten digits is that number, and of others the
// reason says what was found.
func TestNumbersAsNumbers(t *testing.T) {
	number := func(node parquet.Node, values ...any) string {
		var out bytes.Buffer
		w := parquet.NewWriter(&out, parquet.NewSchema("people", parquet.Group{"nhs_number": node}))
		for _, v := range values {
			must(0, w.Write(map[string]any{"nhs_number": v}))
		}
		must(0, w.Close())
		return out.String()
	}
	for sentence, test := range map[string]struct {
		file string
		want []string
	}{
		"whole numbers": {number(parquet.Int(64), int64(9990001006), int64(-9990001006), int64(101010109)), []string{"9990001006", "is negative", "0101010109"}},
		"unsigned":      {number(parquet.Uint(64), uint64(9990001006), uint64(math.MaxUint64)), []string{"9990001006", "does not have ten digits"}},
		"decimals":      {number(parquet.Decimal(2, 12, parquet.Int64Type), int64(999000100600), int64(999000100650), int64(-999000100600)), []string{"9990001006", "with a fraction", "is negative"}},
		"doubles":       {number(parquet.Leaf(parquet.DoubleType), 9990001006.0, 9990001006.5, -9990001006.0, 101010109.0, math.NaN(), 9.99e30), []string{"9990001006", "with a fraction", "is negative", "0101010109", "is empty", "does not have ten digits"}},
		"floats":        {number(parquet.Leaf(parquet.FloatType), float32(9990001006)), []string{`the column "nhs_number" holds floating-point numbers of 32 bits, and an NHS number loses digits there`}},
	} {
		r, err := ingest.Open(t.Context(), []string{save(t, "c", test.file)}, ingest.Options{})
		var got []string
		if err != nil {
			got = []string{err.Error()}
		} else if got, err = told(r); err != nil {
			t.Fatal(err)
		} else {
			for _, reason := range r.Summary().Reasons {
				for _, line := range reason.Lines {
					got[line-1] = reason.Words
				}
			}
		}
		if !slices.EqualFunc(got, test.want, strings.Contains) {
			t.Errorf("%s: %q, want %q", sentence, got, test.want)
		}
	}
}

// The number that superseded another loses its noughts in front as the number does.
func TestSuccessorsAsNumbers(t *testing.T) {
	var out bytes.Buffer
	w := parquet.NewWriter(&out, parquet.NewSchema("people", parquet.Group{"nhs_number": parquet.Int(64), "by": parquet.Optional(parquet.Int(64))}))
	must(0, w.Write(map[string]any{"nhs_number": int64(9990001006), "by": int64(101010109)}))
	must(0, w.Close())
	got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c", out.String())}, ingest.Options{SupersededBy: "by"})))
	if err != nil || got[0] != "0:1 0101010109" {
		t.Error(got, err)
	}
}

func TestTextOfArrowTypes(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for sentence, test := range map[string]struct {
		of   arrow.DataType
		add  func(array.Builder)
		want string
	}{
		"large text":      {arrow.BinaryTypes.LargeString, func(b array.Builder) { b.(*array.LargeStringBuilder).Append("Siân") }, "Siân"},
		"fixed length":    {&arrow.FixedSizeBinaryType{ByteWidth: 3}, func(b array.Builder) { b.(*array.FixedSizeBinaryBuilder).Append([]byte("abc")) }, "abc"},
		"UINT64":          {arrow.PrimitiveTypes.Uint64, func(b array.Builder) { b.(*array.Uint64Builder).Append(math.MaxUint64) }, "18446744073709551615"},
		"INT16":           {arrow.PrimitiveTypes.Int16, func(b array.Builder) { b.(*array.Int16Builder).Append(-2) }, "-2"},
		"DECIMAL256":      {&arrow.Decimal256Type{Precision: 40, Scale: 2}, func(b array.Builder) { b.(*array.Decimal256Builder).Append(decimal256.FromI64(-105)) }, "-1.05"},
		"a summer's noon": {&arrow.TimestampType{Unit: arrow.Second, TimeZone: "America/New_York"}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(noon.Unix())) }, "2026-07-01T13:00:00+01:00"},
		"without a zone":  {&arrow.TimestampType{Unit: arrow.Microsecond}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(noon.UnixMicro())) }, "2026-07-01T12:00:00"},
		"a day":           {arrow.FixedWidthTypes.Date64, func(b array.Builder) { b.(*array.Date64Builder).Append(arrow.Date64FromTime(noon)) }, "2026-07-01"},
		"a time of day":   {arrow.FixedWidthTypes.Time64us, func(b array.Builder) { b.(*array.Time64Builder).Append(34_200_000_000) }, "09:30:00"},
	} {
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "nhs_number", Type: arrow.BinaryTypes.String}, {Name: "x", Type: test.of}}, nil))
		b.Field(0).(*array.StringBuilder).Append(a)
		test.add(b.Field(1))
		record := b.NewRecord()
		for _, stream := range []bool{true, false} {
			got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c", arrowed(record, stream, ipc.WithZstd()))}, ingest.Options{Fields: []string{"x"}, Zone: london})))
			if err != nil || got[0] != "0:1 "+a+"|"+test.want {
				t.Errorf("%s: %q %v, want %s", sentence, got, err, test.want)
			}
		}
	}
	got, err := told(must(ingest.Open(t.Context(), []string{save(t, "c", arrowed(worded(), false, ipc.WithLZ4()))}, ingest.Options{Fields: []string{"given_name"}})))
	if want := []string{"0:1 " + a + "|Ann", "0:2 " + a + "|", "0:3 " + a + "|Siân", "0:4 " + a + "|Ann"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
}

// Nested columns are refused by name when they are wanted, and only then.
func TestNestedColumns(t *testing.T) {
	for kind, node := range map[string]parquet.Node{
		"list": parquet.List(parquet.String()), "map": parquet.Map(parquet.String(), parquet.String()), "nested": parquet.Group{"a": parquet.String(), "b": parquet.Group{"c": parquet.String()}},
	} {
		var out bytes.Buffer
		w := parquet.NewWriter(&out, parquet.NewSchema("people", parquet.Group{"a_first": node, "nhs_number": parquet.String(), "x": parquet.String()}))
		must(0, w.Write(map[string]any{"nhs_number": a, "x": "Ann"}))
		must(0, w.Close())
		path := save(t, "c", out.String())
		if got, err := told(must(ingest.Open(t.Context(), []string{path}, ingest.Options{Fields: []string{"x"}}))); err != nil || got[0] != "0:1 "+a+"|Ann" {
			t.Errorf("beside a %s: %q %v", kind, got, err)
		}
		_, err := ingest.Open(t.Context(), []string{path}, ingest.Options{Fields: []string{"a_first"}})
		if want := `c: the column "a_first" holds ` + kind + ` values, which have no plain text; send it as text`; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A list may be in columns too.
func TestListsInColumns(t *testing.T) {
	for _, path := range []string{"../cmd/cohort/testdata/cases/13-lz4-polars.parquet", "../cmd/cohort/testdata/cases/08-decimal-12-2.parquet", save(t, "c", arrowed(worded(), true))} {
		l, err := ingest.OpenList(t.Context(), path, format.Format{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, err := range l.People(0) {
			must(0, err)
		}
		if n := l.Count(); n.People < 3 || n.Unreadable != 0 {
			t.Errorf("%s: %d people, %d bad rows", path, n.People, n.Unreadable)
		}
	}
}

// A row group may hold the whole cohort: only a page of each wanted column is in memory.
func TestMemoryOfARowGroupIsThatOfAPage(t *testing.T) {
	type person struct {
		Number int64  `parquet:"nhs_number"`
		Name   string `parquet:"name,zstd"`
	}
	path := filepath.Join(t.TempDir(), "c")
	out := must(os.Create(path))
	w := parquet.NewGenericWriter[person](out)
	for i := range 1000 {
		people := make([]person, 1000)
		for k := range people {
			people[k] = person{Number: 9990001006, Name: fmt.Sprintf("a name of some length, %d %d", i, k)}
		}
		must(w.Write(people))
	}
	must(0, w.Close())
	must(0, out.Close())
	runtime.GC() // twice, for what the writer has left in pools
	runtime.GC()
	r := must(ingest.Open(t.Context(), []string{path}, ingest.Options{Fields: []string{"name"}}))
	least, most, batches := uint64(1<<63), uint64(0), 0
	for _, err := range r.Records() {
		must(0, err)
		if batches++; batches%20 == 1 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			least, most = min(least, m.HeapAlloc), max(most, m.HeapAlloc)
		}
	}
	if r.Summary().Sendable != 1_000_000 || most-least > 8<<20 {
		t.Errorf("%d records, from %d to %d bytes in use", r.Summary().Sendable, least, most)
	}
}
