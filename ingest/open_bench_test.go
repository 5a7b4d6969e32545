package ingest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	fastgzip "github.com/klauspost/compress/gzip"

	"cohort/fixtures"
	"cohort/ingest"
)

// BenchmarkOpen reads one cohort in several wrappings, digests included; MB/s are of
// the plain text.
//
//	go test ./ingest -run - -bench Open
func BenchmarkOpen(b *testing.B) {
	var text bytes.Buffer
	truth := must(fixtures.Cohort{People: 200_000, Bad: 0.01, Seed: 1}.WriteCSV(&text))
	for _, c := range []struct {
		name string
		pack func(string) string
	}{{"plain", strings.Clone}, {"gzip", func(s string) string {
		var b bytes.Buffer
		w := must(gzip.NewWriterLevel(&b, gzip.DefaultCompression))
		must(w.Write([]byte(s)))
		must(0, w.Close())
		return b.String()
	}}, {"zstd", zstded}, {"parquet", asParquet}} {
		path := save(b, "c", c.pack(text.String()))
		if c.name == "gzip" {
			b.Run("gzip, unpacked and no more", func(b *testing.B) {
				b.SetBytes(int64(text.Len()))
				for b.Loop() {
					file := must(os.Open(path))
					must(io.Copy(io.Discard, must(fastgzip.NewReader(file))))
					must(0, file.Close())
				}
				b.ReportMetric(float64(truth.Records)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrow/s")
			})
		}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				r := must(ingest.Open(b.Context(), []string{path}, ingest.Options{Fields: []string{"given_name"}, Required: []string{"appointment_date"}}))
				for _, err := range r.Records() {
					must(0, err)
				}
				if r.Summary().Sendable != int64(truth.Sendable+truth.Duplicates) {
					b.Fatal(r.Summary())
				}
			}
			b.ReportMetric(float64(truth.Records)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrow/s")
		})
	}
}

// asParquet writes a CSV's records as Parquet, each value as text.
func asParquet(text string) string {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	rows := must(r.ReadAll())
	var fields []arrow.Field
	for _, name := range rows[0] {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	build := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, row := range rows[1:] {
		for k := range fields {
			if len(row) == len(fields) {
				build.Field(k).(*array.StringBuilder).Append(row[k])
			} else {
				build.Field(k).AppendNull()
			}
		}
	}
	var out bytes.Buffer
	w := must(pqarrow.NewFileWriter(arrow.NewSchema(fields, nil), &out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps()))
	must(0, w.Write(build.NewRecord()))
	must(0, w.Close())
	return out.String()
}
