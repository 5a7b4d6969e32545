package delivery

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lifeOf is what callbacks say of the message in a row: some six events.
func lifeOf(row int64) []Event {
	events := []Event{
		message(Callback, "enriched", 8), message(Callback, "sending", 9), channel("nhsapp primary 1", "sending", "received", 9),
		channel("nhsapp primary 1", "failed", "unnotified", 10), channel("sms primary 2", "delivered", "delivered", 11), message(Callback, "delivered", 11),
	}
	for i := range events {
		e := &events[i]
		e.Reference, e.MessageID = fmt.Sprintf("1f0b7d1e-6c1c-8b6a-9f00-%012d", row), fmt.Sprintf("30XcAOfwjq59r72AQTjx%07d", row)
		e.At = e.At.Add(time.Duration(row) * time.Millisecond)
		e.Received, e.Key = e.At.Add(time.Second), fmt.Sprintf("%064d", row*10+int64(i))
	}
	return events
}

// The states are those of a fold of each message, in the order of rows, over ranges and blocks.
func TestSorter(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "events-1.tmp"), nil, 0o600)) // of a crash
	const rows = 3*rowsAtOnce + 5
	s, err := NewSorter(dir, rows)
	must(t, err)
	if info, err := s.file.Stat(); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("%d files have names: %v", len(left), err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	want := make([]Fold, rows+1)
	add := func(row int64, e Event) {
		must(t, s.Add(row, &e))
		want[row].Add(&e)
	}
	for _, row := range []int64{1, rowsAtOnce, rowsAtOnce + 1, rows} {
		add(row, message(Callback, "sending", 9))
	}
	large := Event{Kind: OfUnknown, Raw: make([]byte, 3*blockBytes)}
	add(2, large)
	for range 20_000 { // none in the third range
		row := 1 + random.Int64N(2*rowsAtOnce)
		add(row, lifeOf(row)[random.IntN(6)])
	}
	for range 2 { // the states can be had again
		next := int64(1)
		for got, err := range s.All() {
			must(t, err)
			for ; next < got.Row; next++ {
				if want[next].state.Events > 0 {
					t.Fatalf("row %d is missing", next)
				}
			}
			if state := want[next].State(); !reflect.DeepEqual(got.State, state) {
				t.Fatalf("row %d\ngot  %+v\nwant %+v", next, got.State, state)
			}
			next++
		}
		if next != rows+1 {
			t.Errorf("the last row is %d", next-1)
		}
	}
	for _, row := range []int64{0, rows + 1} {
		if err := s.Add(row, &large); err == nil {
			t.Errorf("row %d was taken", row)
		}
	}
	must(t, s.Close())
	for _, err := range s.All() {
		if !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	}
	if err := s.Add(2, &large); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

// A fold of a reader that stops early starts anew for the next.
func TestAReaderThatStops(t *testing.T) {
	s, err := NewSorter(t.TempDir(), 10)
	must(t, err)
	defer func() { _ = s.Close() }()
	for row := range int64(3) {
		e := message(Callback, "sending", 9)
		must(t, s.Add(row+1, &e))
	}
	for range 2 {
		for got, err := range s.All() {
			must(t, err)
			if got.State.Events != 1 || got.State.Duplicates != 0 {
				t.Errorf("%+v", got)
			}
			break
		}
	}
}

// BenchmarkSorter folds six events of each message, in an order that mixes all rows. Its memory is
// that of the heap while the states are read.
func BenchmarkSorter(b *testing.B) {
	for _, rows := range []int64{50_000, 400_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			var most uint64
			for b.Loop() {
				s, err := NewSorter(b.TempDir(), rows)
				must(b, err)
				for _, e := range lifeOf(1) {
					for row := range rows {
						e.At = e.At.Add(time.Microsecond)
						must(b, s.Add(row*7919%rows+1, &e))
					}
				}
				n := int64(0)
				for _, err := range s.All() {
					must(b, err)
					if n++; n%20_000 == 0 {
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						most = max(most, m.HeapAlloc)
					}
				}
				if n != rows {
					b.Fatal(n)
				}
				must(b, s.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*rows*6), "ns/event")
			b.ReportMetric(float64(most)/(1<<20), "MB")
		})
	}
}
