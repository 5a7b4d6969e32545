package ingest_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"cohort/fixtures"
	"cohort/ingest"
	"cohort/ingest/person"
)

// BenchmarkRead holds the reader against encoding/csv on one file with the same
// checks; encoding/csv's records go nowhere, the reader's into Arrow batches. Run
// both in one go and compare the ratio:
//
//	go test ./ingest -run - -bench Read -cpu 1
func BenchmarkRead(b *testing.B) {
	const people = 200_000
	var file bytes.Buffer
	truth, err := fixtures.Cohort{People: people, Bad: 0.01, Seed: 1}.WriteCSV(&file)
	if err != nil {
		b.Fatal(err)
	}
	want := int64(truth.Sendable + truth.Duplicates)
	for _, reader := range []struct {
		name string
		read func(*testing.B, io.Reader) int64
	}{
		{"encoding/csv", readPlain},
		{"ingest", func(b *testing.B, r io.Reader) int64 { return readBatches(b, r) }},
		{"ingest four fields", func(b *testing.B, r io.Reader) int64 {
			return readBatches(b, r, "given_name", "appointment_date", "appointment_time", "clinic_name")
		}},
	} {
		b.Run(reader.name, func(b *testing.B) {
			b.SetBytes(int64(file.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if got := reader.read(b, bytes.NewReader(file.Bytes())); got != want {
					b.Fatalf("%d sendable, want %d", got, want)
				}
			}
			b.ReportMetric(float64(people)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrow/s")
		})
	}
}

func readBatches(b *testing.B, file io.Reader, fields ...string) int64 {
	r, err := ingest.NewReader(file, "cohort.csv", ingest.Options{Required: []string{"appointment_date"}, Fields: fields})
	if err != nil {
		b.Fatal(err)
	}
	for _, err := range r.Records() {
		if err != nil {
			b.Fatal(err)
		}
	}
	return r.Summary().Sendable
}

func readPlain(b *testing.B, file io.Reader) (sendable int64) {
	r := csv.NewReader(file)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		b.Fatal(err)
	}
	columns := len(header)
record:
	for {
		record, err := r.Read()
		if err == io.EOF {
			return sendable
		}
		if err != nil {
			b.Fatal(err)
		}
		if len(record) != columns {
			continue
		}
		for _, value := range record {
			if !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
				continue record
			}
		}
		if _, err := person.ParseNHSNumber(record[0]); err != nil {
			continue
		}
		if strings.TrimSpace(record[5]) == "" {
			continue
		}
		sendable++
	}
}
