package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/disk/crashfs"
)

// Many callers, one log: every durable record is found, the sequence numbers have no gap, and
// the records of each caller are in order.
func TestConcurrentCallers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	o := Options{SegmentBytes: 20_000, Delay: time.Millisecond}
	const callers, records = 16, 120
	for round := range 2 {
		l, err := Open(dir, testRun, o, nil)
		must(t, err)
		var wait sync.WaitGroup
		for caller := range callers {
			wait.Go(func() {
				for i := range records {
					payload := binary.LittleEndian.AppendUint32(nil, uint32(round*records+i))
					var err error
					switch i % 7 {
					case 5:
						err = l.Append(Type(caller+1), payload)
					case 6:
						if err = l.Append(Type(caller+1), payload); err == nil {
							err = l.Flush()
						}
					default:
						err = l.Commit(Type(caller+1), payload)
					}
					clear(payload) // the log has its own copy
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		must(t, l.Err())
		must(t, l.Close())
	}
	var seq uint64
	next := map[Type]uint32{}
	tail, err := Read(dir, testRun, o, func(r Record) error {
		seq++
		if got := binary.LittleEndian.Uint32(r.Payload); r.Seq != seq || got != next[r.Type] {
			return fmt.Errorf("record %d: caller %d, number %d, want %d", r.Seq, r.Type, got, next[r.Type])
		}
		next[r.Type]++
		return nil
	})
	must(t, err)
	if seq != 2*callers*records || tail.Seq != seq || tail.Torn != 0 || tail.Segment < 4 {
		t.Errorf("%d records, %+v", seq, tail)
	}
}

// A reader beside a writer never fails. It sees the beginning of the log, and at least the
// records that were durable when it started.
func TestReadWhileAWriterWrites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	o := Options{SegmentBytes: 4_000, Delay: time.Millisecond}
	var durable atomic.Uint64
	var stop atomic.Bool
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for done := false; !done; {
				done = stop.Load()
				atLeast, seq := durable.Load(), uint64(0)
				tail, err := Read(dir, testRun, o, func(r Record) error {
					if seq++; r.Seq != seq || string(r.Payload) != payloadOf(seq) {
						return fmt.Errorf("record %d is %d %q", seq, r.Seq, r.Payload)
					}
					return nil
				})
				if err != nil || seq < atLeast || tail.Seq != seq {
					t.Errorf("%d records, at least %d, %+v, %v", seq, atLeast, tail, err)
					return
				}
			}
		})
	}
	seq := uint64(0)
	for range 4 {
		l, err := Open(dir, testRun, o, nil)
		must(t, err)
		for range 100 {
			for range seq % 9 {
				seq++
				must(t, l.Append(1, []byte(payloadOf(seq))))
			}
			seq++
			must(t, l.Commit(1, []byte(payloadOf(seq))))
			durable.Store(seq)
		}
		must(t, l.Close())
	}
	stop.Store(true)
	wait.Wait()
}

// payloadOf makes payloads up of many sizes, a few of them over a page.
func payloadOf(seq uint64) string {
	return fmt.Sprint(seq, strings.Repeat("p", int(seq%50+seq/97%2*(seq%5000))))
}

func TestReader(t *testing.T) {
	fsys, want := sampleLog(t)
	reader, err := OpenReader("log", testRun, small(fsys))
	must(t, err)
	for i := range want {
		r := want[(i*7)%len(want)]
		got, err := reader.At(r.At)
		must(t, err)
		if !sameRecord(got, r) {
			t.Errorf("at %+v: %+v, want %+v", r.At, got, r)
		}
	}
	var damage *CorruptError
	for _, pos := range []Position{{}, {9, 92}, {1, 0}, {1, 93}, {1, -5}, {1, 1 << 40}} {
		if _, err := reader.At(pos); !errors.As(err, &damage) {
			t.Errorf("at %+v: %v", pos, err)
		}
	}
	must(t, reader.Close())
	reader, err = OpenReader("log", testRun, small(fsys))
	must(t, err)
	fileOf(fsys, 2).Data[headerSize+frameHeader] ^= 1
	if _, err := reader.At(want[4].At); !errors.As(err, &damage) || damage.Offset != headerSize {
		t.Errorf("a damaged frame: %v", err)
	}
	must(t, reader.Close())
	if _, err := reader.At(want[0].At); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestEmptyAndMissingLogs(t *testing.T) {
	base := t.TempDir()
	empty := filepath.Join(base, "empty")
	must(t, os.Mkdir(empty, 0o700))
	for _, dir := range []string{empty, filepath.Join(base, "missing"), filepath.Join(base, "slash") + "/"} {
		tail, err := Read(dir, testRun, Options{}, nil)
		if err != nil || tail != (Tail{}) {
			t.Errorf("Read: %+v, %v", tail, err)
		}
		l, err := Open(dir, testRun, Options{}, func(Record) error { return errors.New("a record") })
		must(t, err)
		must(t, l.Flush())
		must(t, l.Close())
		must(t, l.Close())
		for name, err := range map[string]error{"Append": l.Append(1, nil), "Commit": l.Commit(1, nil)} {
			if err != ErrClosed {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
	}
}

// What Open leaves on the real filesystem, and what it cleans up.
func TestFilesOfALog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	must(t, os.Mkdir(dir, 0o700))
	litter := filepath.Join(dir, "0000000000000007.tmp")
	must(t, os.WriteFile(litter, []byte("half a head"), 0o600))
	l, err := Open(dir, testRun, Options{Reserve: 1 << 20}, nil)
	must(t, err)
	names := func() string {
		entries, err := os.ReadDir(dir)
		must(t, err)
		var list []string
		for _, e := range entries {
			info, err := e.Info()
			must(t, err)
			list = append(list, fmt.Sprintf("%s %o %d", e.Name(), info.Mode().Perm(), info.Size()))
		}
		return strings.Join(list, ", ")
	}
	if got := names(); got != "0000000000000001.log 600 92, reserve 600 1048576" {
		t.Errorf("while open: %s", got)
	}
	must(t, l.Close())
	if got := names(); got != "0000000000000001.log 600 92" {
		t.Errorf("afterwards: %s", got)
	}
	if l, err = Open(dir, testRun, Options{Reserve: -1}, nil); err != nil {
		t.Fatal(err)
	}
	if got := names(); got != "0000000000000001.log 600 92, 0000000000000002.log 600 92" {
		t.Errorf("without a reserve: %s", got)
	}
	must(t, l.Close())
}

// A second writer, which a lock should have kept out, must not overwrite a segment.
func TestASegmentIsNeverOverwritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, err := Open(dir, testRun, Options{SegmentBytes: 100}, nil)
	must(t, err)
	must(t, l.Commit(1, []byte("one")))
	other, err := Open(dir, testRun, Options{}, nil)
	must(t, err)
	must(t, other.Commit(1, []byte("two")))
	if err := l.Commit(1, []byte("three")); !errors.Is(err, ErrPoisoned) || !errors.Is(err, os.ErrExist) {
		t.Errorf("the first writer: %v", err)
	}
	_ = l.Close()
	must(t, other.Close())
	n := 0
	_, err = Read(dir, testRun, Options{}, func(Record) error { n++; return nil })
	if err != nil || n != 2 {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestRecordsThatNoFrameHolds(t *testing.T) {
	l, err := Open("log", testRun, Options{FS: crashfs.New(), Delay: time.Hour}, nil)
	must(t, err)
	largest := make([]byte, maxPayload)
	for name, give := range map[string]func(Type, []byte) error{"Append": l.Append, "Commit": l.Commit} {
		if err := give(1, make([]byte, maxPayload+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s of too large a record: %v", name, err)
		}
		if err := give(0, nil); !errors.Is(err, ErrBadType) {
			t.Errorf("%s of type 0: %v", name, err)
		}
		must(t, give(255, largest))
	}
	must(t, l.Close())
	sizes := 0
	_, err = Read("log", testRun, l.o, func(r Record) error {
		sizes += len(r.Payload)
		if r.Type != 255 || !bytes.Equal(r.Payload, largest) {
			t.Error("another record")
		}
		return nil
	})
	if err != nil || sizes != 2*maxPayload {
		t.Errorf("%d bytes, %v", sizes, err)
	}
	for _, o := range []Options{{SegmentBytes: -1}, {Delay: -1}} {
		if _, err := Open("log", testRun, o, nil); err == nil {
			t.Errorf("Open takes %+v", o)
		}
	}
}

// Nobody waits: the group is written after Delay. Somebody waits: at once.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := crashfs.New()
		l, err := Open("log", testRun, Options{FS: fsys}, nil)
		must(t, err)
		size := func() int64 {
			synctest.Wait()
			fsys.Mu.Lock()
			defer fsys.Mu.Unlock()
			return int64(len(fileOf(fsys, 1).Data))
		}
		must(t, l.Append(1, nil))
		time.Sleep(3 * time.Millisecond)
		must(t, l.Append(1, nil))
		time.Sleep(2*time.Millisecond - 1)
		if got := size(); got != headerSize {
			t.Errorf("%d bytes before the delay has passed", got)
		}
		time.Sleep(1 * time.Nanosecond)
		if got := size(); got != headerSize+2*frameHeader {
			t.Errorf("%d bytes after it", got)
		}
		start := time.Now()
		must(t, l.Append(1, nil))
		must(t, l.Commit(1, nil))
		must(t, l.Append(1, nil))
		must(t, l.Flush())
		if waited := time.Since(start); waited != 0 {
			t.Errorf("Commit and Flush took %v", waited)
		}
		must(t, l.Append(1, nil))
		must(t, l.Close())
		if got := size(); got != headerSize+6*frameHeader || time.Since(start) != 0 {
			t.Errorf("%d bytes after Close", got)
		}
	})
}

// A Flush with nothing pending still waits for the group that is being written.
func TestFlushWaitsForTheGroupInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		fsys := crashfs.New()
		l, err := Open("log", testRun, Options{FS: fsys}, nil)
		must(t, err)
		fsys.Mu.Lock()
		fsys.Fault = func(_ int, op, _ string) crashfs.Fault {
			if op == "sync" {
				fsys.Mu.Unlock()
				<-gate
				fsys.Mu.Lock()
			}
			return crashfs.Fault{}
		}
		fsys.Mu.Unlock()
		done := make(chan error, 2)
		go func() { done <- l.Commit(1, nil) }()
		synctest.Wait()
		go func() { done <- l.Flush() }()
		synctest.Wait()
		if len(done) != 0 {
			t.Error("Flush or Commit returned before the sync did")
		}
		close(gate)
		must(t, <-done)
		must(t, <-done)
		must(t, l.Close())
	})
}

// Append waits when too much is pending, and memory stays bounded.
func TestAppendWaitsForRoom(t *testing.T) {
	gate := make(chan struct{})
	fsys := crashfs.New()
	l, err := Open("log", testRun, Options{FS: fsys, Delay: time.Hour}, nil)
	must(t, err)
	var largest int
	fsys.Mu.Lock()
	fsys.Fault = func(_ int, op, _ string) crashfs.Fault {
		if op == "write" {
			fsys.Mu.Unlock()
			<-gate
			fsys.Mu.Lock()
		}
		return crashfs.Fault{}
	}
	fsys.Mu.Unlock()
	const records = 40
	given := make(chan error, records)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range records / 4 {
				given <- l.Append(1, make([]byte, 1<<20))
			}
		})
	}
	for range records {
		select {
		case err := <-given:
			must(t, err)
		case gate <- struct{}{}: // one group at a time, only when the callers are stuck
		}
		l.mu.Lock()
		largest = max(largest, len(l.current.buf))
		l.mu.Unlock()
	}
	close(gate)
	wait.Wait()
	must(t, l.Close())
	if largest > maxPending {
		t.Errorf("%d bytes were pending", largest)
	}
	tail, err := Read("log", testRun, Options{FS: fsys}, nil)
	if err != nil || tail.Seq != records {
		t.Errorf("%+v, %v", tail, err)
	}
}

// An error of the callback comes back as it is, from the first record on.
func TestCallbackErrorEndsTheReading(t *testing.T) {
	fsys, want := sampleLog(t)
	stop := errors.New("stop")
	for at := range want {
		n := 0
		fn := func(Record) error {
			if n++; n > at {
				return stop
			}
			return nil
		}
		if _, err := Read("log", testRun, small(fsys), fn); err != stop || n != at+1 {
			t.Errorf("Read: %v after %d", err, n)
		}
		n = 0
		if _, err := Open("log", testRun, small(fsys), fn); err != stop || n != at+1 {
			t.Errorf("Open: %v after %d", err, n)
		}
	}
}

// Fast paths stay free of an allocation for each record.
func TestAppendDoesNotAllocate(t *testing.T) {
	l, err := Open("log", testRun, Options{FS: crashfs.New(), Delay: time.Hour}, nil)
	must(t, err)
	payload := make([]byte, 45)
	for range 3 { // lets the buffers grow
		for range 10_000 {
			must(t, l.Append(1, payload))
		}
		must(t, l.Flush())
	}
	if n := testing.AllocsPerRun(5_000, func() { _ = l.Append(1, payload) }); n > 0.01 {
		t.Errorf("%v allocations for a record", n)
	}
	must(t, l.Close())
}

// A log is opened where its replay ended, and not when anybody has written to it since.
func TestALogThatChangedAfterItsReplay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	replayed := func() *Replayed {
		r, err := Replay(dir, testRun, Options{}, nil)
		must(t, err)
		return r
	}
	early := replayed()
	for range 2 {
		l, err := replayed().Open()
		must(t, err)
		before, beside := early, replayed()
		must(t, l.Commit(1, []byte("intent")))
		for name, r := range map[string]*Replayed{"before a segment": before, "before a record": beside} {
			if _, err := r.Open(); !errors.Is(err, ErrChanged) {
				t.Errorf("replayed %s: %v", name, err)
			}
		}
		must(t, l.Close())
		early = beside
	}
	l, err := replayed().Open()
	must(t, err)
	must(t, l.Close())
	if tail, err := Read(dir, testRun, Options{}, nil); err != nil || tail.Segment != 3 || tail.Seq != 2 {
		t.Errorf("%+v, %v", tail, err)
	}
}
