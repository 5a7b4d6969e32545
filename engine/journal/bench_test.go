package journal

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// A message's share of the log: an attempt and an outcome, 62 bytes in all, are taken
// here as one record of 62 bytes, frame included.
var benchPayload = make([]byte, 62-frameHeader)

func openBench(b *testing.B) *Log {
	l, err := Open(filepath.Join(b.TempDir(), "log"), testRun, Options{}, nil)
	must(b, err)
	return l
}

func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			l := openBench(b)
			b.ReportAllocs()
			for b.Loop() {
				for range group - 1 {
					if err := l.Append(1, benchPayload); err != nil {
						b.Fatal(err)
					}
				}
				must(b, l.Commit(1, benchPayload))
			}
			b.ReportMetric(float64(b.N)*float64(group)/b.Elapsed().Seconds(), "records/s")
			must(b, l.Close())
		})
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := openBench(b)
			b.ReportAllocs()
			tickets := make(chan struct{}, b.N)
			for range b.N {
				tickets <- struct{}{}
			}
			close(tickets)
			b.ResetTimer()
			var wait sync.WaitGroup
			for range callers {
				wait.Go(func() {
					for range tickets {
						if err := l.Commit(1, benchPayload); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wait.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			must(b, l.Close())
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	const records = 1_000_000
	dir := filepath.Join(b.TempDir(), "log")
	l, err := Open(dir, testRun, Options{}, nil)
	must(b, err)
	for range records {
		must(b, l.Append(1, benchPayload))
	}
	must(b, l.Close())
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		_, err := Read(dir, testRun, Options{}, func(Record) error { n++; return nil })
		if err != nil || n != records {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
}
