package shard_test

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
	"cohort/shard"
)

var fiveFields = []string{"given", "family", "appointment", "clinic", "postcode"}

// national makes a cohort of n records of five fields, about a hundred bytes each, in
// batches of 8192. The texts come from a few batches made beforehand, so that next to
// nothing of a benchmark's time is theirs.
func national(n int) iter.Seq2[arrow.Record, error] {
	const each = 8192
	schema := incomingSchema(fiveFields)
	var templates []arrow.Record
	for k := range 8 {
		entries := make([]entry, each)
		for i := range entries {
			x := (k*each + i) * 7919
			entries[i] = entry{number: 9990000018, fields: []string{
				[]string{"Amelia", "Oliver", "Zoë", "Muhammad", "Siobhán", "Grace", "Noah", "Ada May"}[x%8],
				fmt.Sprint([]string{"O'Brien", "Begum", "Smith-Jones", "Nguyễn", "Taylor"}[x%5], " ", x%4999),
				fmt.Sprintf("2026-%02d-%02d", 1+x%12, 1+x%28),
				fmt.Sprintf("%d High Street, Flat %d", x%311, x%37),
				fmt.Sprintf("LS%d %dAB", x%29, x%9),
			}}
		}
		for r := range incoming(entries, fiveFields, each) {
			r.Retain()
			templates = append(templates, r)
		}
	}
	return func(yield func(arrow.Record, error) bool) {
		rows, lines := array.NewInt64Builder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
		numbers := array.NewUint64Builder(memory.DefaultAllocator)
		for from := 0; from < n; from += each {
			size := min(each, n-from)
			for i := from; i < from+size; i++ {
				rows.Append(int64(i + 1))
				lines.Append(int64(i + 2))
				numbers.Append(9_000_000_000 + uint64(i)*618_033_989%1_000_000_000)
			}
			template := templates[from/each%len(templates)].NewSlice(0, int64(size))
			columns := append([]arrow.Array(nil), template.Columns()...)
			columns[person.ColumnRow], columns[person.ColumnLine], columns[person.ColumnNumber] = rows.NewArray(), lines.NewArray(), numbers.NewArray()
			if !yield(array.NewRecord(schema, columns, int64(size)), nil) {
				return
			}
		}
	}
}

// peakMemory is the most memory that this process ever had, in MiB; 0 where the system
// does not say.
func peakMemory() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, _ := strconv.Atoi(string(kib))
	return float64(n) / 1024
}

// cpu is the CPU time of this process in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func benchmarkBuild(b *testing.B, n int, o shard.Options) {
	records := national(n)
	o.Shards, o.Fields = 64, fiveFields
	size, before := int64(0), cpu()
	for b.Loop() {
		s, err := shard.Build(b.Context(), b.TempDir(), records, o)
		if err != nil || s.Manifest.Sendable != int64(n) {
			b.Fatal(err)
		}
		size = 0
		for _, f := range s.Manifest.Shards {
			size += f.Bytes
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrow/s")
	b.ReportMetric((cpu()-before)*1e9/float64(n)/float64(b.N), "cpu-ns/row")
	b.ReportMetric(float64(size)/float64(n), "B/row")
	b.ReportMetric(peakMemory(), "peak-MiB")
}

// The peak is the whole process's, so run one at a time to compare sizes.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{340_000, 1_000_000, 3_400_000, 34_000_000} {
		b.Run(fmt.Sprintf("first/%d", n), func(b *testing.B) { benchmarkBuild(b, n, shard.Options{}) })
	}
	b.Run("latest/1000000", func(b *testing.B) { benchmarkBuild(b, 1_000_000, shard.Options{Duplicates: shard.Latest}) })
}

// BenchmarkRecipients reads a whole spool on one goroutine, shard by shard.
func BenchmarkRecipients(b *testing.B) {
	const n = 1_000_000
	s := mustBuild(b, b.TempDir(), national(n), shard.Options{Shards: 64, Fields: fiveFields})
	defer func() { _ = s.Close() }()
	for b.Loop() {
		read := 0
		for i := range person.Lane(s.Lanes()) {
			for _, err := range s.Recipients(i, 0, s.Positions(i)) {
				if err != nil {
					b.Fatal(err)
				}
				read++
			}
		}
		if read != n {
			b.Fatal(read)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrow/s")
}
