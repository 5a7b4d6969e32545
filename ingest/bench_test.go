package ingest

import (
	"bytes"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"cohort/fixtures"
	"cohort/ingest/format"
	formatcsv "cohort/ingest/format/csv"
	"cohort/ingest/person"
)

// BenchmarkRead holds the reader against encoding/csv on one file, in one run: parsing
// alone, with the same checks on one goroutine and on one and two workers beside the
// one that takes the bytes in. encoding/csv's records go nowhere, the reader's into
// Arrow batches. Compare the ratios; cpu-ns/row is the time of all cores.
//
//	go test ./ingest -run - -bench Read
func BenchmarkRead(b *testing.B) {
	const people = 200_000
	var file bytes.Buffer
	truth, err := fixtures.Cohort{People: people, Bad: 0.01, Seed: 1}.WriteCSV(&file)
	if err != nil {
		b.Fatal(err)
	}
	want := int64(truth.Sendable + truth.Duplicates)
	four := []string{"given_name", "appointment_date", "appointment_time", "clinic_name"}
	for _, peer := range []struct {
		name string // of encoding/csv's part
		want int64
		read func(*testing.B, io.Reader) int64
		ours map[string]func(*testing.B, io.Reader) int64
	}{
		{"parse encoding/csv", int64(truth.Records), splitPlain, map[string]func(*testing.B, io.Reader) int64{
			"parse splitter": splitAlone,
		}},
		{"check encoding/csv", want, readPlain, map[string]func(*testing.B, io.Reader) int64{
			"check one goroutine":      func(b *testing.B, r io.Reader) int64 { return readBatches(b, r, 0) },
			"check one worker":         func(b *testing.B, r io.Reader) int64 { return readBatches(b, r, 1) },
			"check two workers":        func(b *testing.B, r io.Reader) int64 { return readBatches(b, r, 2) },
			"check four fields by two": func(b *testing.B, r io.Reader) int64 { return readBatches(b, r, 2, four...) },
		}},
	} {
		peers := 0.0
		run := func(name string, read func(*testing.B, io.Reader) int64) {
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(file.Len()))
				b.ReportAllocs()
				before := processorTime(b)
				for b.Loop() {
					if got := read(b, bytes.NewReader(file.Bytes())); got != peer.want {
						b.Fatalf("%d records, want %d", got, peer.want)
					}
				}
				rows := float64(people) * float64(b.N)
				rate := rows / b.Elapsed().Seconds() / 1e6
				if name == peer.name {
					peers = rate
				}
				b.ReportMetric(rate, "Mrow/s")
				b.ReportMetric(rate/peers, "x-csv")
				b.ReportMetric(float64(processorTime(b)-before)/rows, "cpu-ns/row")
			})
		}
		run(peer.name, peer.read)
		for _, name := range slices.Sorted(maps.Keys(peer.ours)) {
			run(name, peer.ours[name])
		}
	}
}

// processorTime is the CPU time of the process, over all cores.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// splitAlone cuts records and values out of the file and looks at none.
func splitAlone(b *testing.B, file io.Reader) (records int64) {
	t, err := formatcsv.Open(file, format.Format{Delimiter: ","}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for {
		if _, _, err := t.Next(); err == io.EOF {
			return records
		} else if err != nil {
			b.Fatal(err)
		}
		records++
	}
}

func splitPlain(b *testing.B, file io.Reader) (records int64) {
	r := csv.NewReader(file)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	for {
		if _, err := r.Read(); err == io.EOF {
			return records - 1
		} else if err != nil {
			b.Fatal(err)
		}
		records++
	}
}

func readBatches(b *testing.B, file io.Reader, workers int, fields ...string) int64 {
	r, err := NewReader(file, "cohort.csv", Options{Required: []string{"appointment_date"}, Fields: fields})
	if err != nil {
		b.Fatal(err)
	}
	r.workers = workers
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
