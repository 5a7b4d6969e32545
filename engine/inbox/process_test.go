package inbox

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/journal"
)

const receiverVariable = "COHORT_TEST_INBOX"

// TestMain makes the test's program a receiver if it is started as one: it puts events until it
// is killed, from several callers at once, and names each event that was acknowledged.
func TestMain(m *testing.M) {
	dir := os.Getenv(receiverVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	in, err := Open(dir, "callbacks")
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	in.volumeBytes = 20_000
	var out sync.Mutex
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), caller, i)
				if err := in.Put(background, events(key)); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println("acked", key)
				out.Unlock()
			}
		})
	}
	callers.Wait()
}

// Receivers are killed one after another, while a reader follows: it gets every event that was
// acknowledged, and each once.
func TestKilledReceivers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	var acked, seen []string
	var at Position
	follow := func() {
		t.Helper()
		var err error
		at, err = Read(dir, at, func(_ Position, e delivery.Event) error { seen = append(seen, e.Key); return nil })
		must(t, err)
	}
	for range 6 {
		receiver := exec.Command(os.Args[0])
		receiver.Env = append(os.Environ(), receiverVariable+"="+dir)
		out, err := receiver.StdoutPipe()
		must(t, err)
		must(t, receiver.Start())
		lines, kill := bufio.NewScanner(out), 50+rand.IntN(300)
		for n := 0; lines.Scan(); n++ {
			var word, key string
			if got, _ := fmt.Sscan(lines.Text(), &word, &key); got < 2 { // it was killed while it wrote the line
				break
			}
			if word != "acked" {
				t.Fatal(lines.Text())
			}
			acked = append(acked, key)
			if n%20 == 0 {
				follow()
			}
			if n == kill {
				must(t, receiver.Process.Kill())
			}
		}
		_ = receiver.Wait()
	}
	follow()
	slices.Sort(acked)
	slices.Sort(seen)
	if n := len(seen); len(slices.Compact(seen)) != n {
		t.Errorf("of %d events some came twice", n)
	}
	for _, key := range acked {
		if _, there := slices.BinarySearch(seen, key); !there {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	all, err := volumes(osFS, dir)
	must(t, err)
	if len(all) < 3 || len(acked) < 300 {
		t.Errorf("%d volumes, %d events", len(all), len(acked))
	}
	for _, volume := range all[:len(all)-1] {
		size := int64(0)
		_, err := journal.Read(volumePath(dir, volume), volumeID(volume), journal.Options{}, func(r journal.Record) error {
			size += frameBytes + int64(len(r.Payload))
			return nil
		})
		if err != nil || size < 20_000 {
			t.Errorf("a volume of %d bytes was full: %v", size, err)
		}
	}
}

// BenchmarkPut puts one event a call from many callers, as a receiver does, beside a plain file
// that is synced for each event.
func BenchmarkPut(b *testing.B) {
	each := func(b *testing.B, callers int, put func() error) {
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
					if err := put(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wait.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	}
	one := events("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for _, callers := range []int{64, 512} {
		b.Run(fmt.Sprintf("inbox/callers=%d", callers), func(b *testing.B) {
			in, err := Open(filepath.Join(b.TempDir(), "inbox"), "")
			must(b, err)
			each(b, callers, func() error { return in.Put(background, one) })
			must(b, in.Close())
		})
		b.Run(fmt.Sprintf("plain file/callers=%d", callers), func(b *testing.B) {
			f, err := osFS.Create(filepath.Join(b.TempDir(), "plain"))
			must(b, err)
			var mu sync.Mutex
			each(b, callers, func() error {
				mu.Lock()
				defer mu.Unlock()
				if _, err := f.Write(delivery.Append(nil, &one[0])); err != nil {
					return err
				}
				return f.Sync()
			})
			must(b, f.Close())
		})
	}
}

// BenchmarkRead reads events while nobody writes.
func BenchmarkRead(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "inbox")
	in, err := Open(dir, "")
	must(b, err)
	const n = 200_000
	many := make([]delivery.Event, n)
	for i := range many {
		many[i] = event(fmt.Sprint(i))
		many[i].Received = time.Unix(int64(i), 0)
	}
	must(b, in.Put(background, many))
	must(b, in.Close())
	b.ReportAllocs()
	for b.Loop() {
		read := 0
		_, err := Read(dir, Position{}, func(Position, delivery.Event) error { read++; return nil })
		if err != nil || read != n {
			b.Fatal(read, err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
}
