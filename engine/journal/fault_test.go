package journal

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"cohort/engine/disk/crashfs"
)

// faults are the failures of an operation.
var faults = map[string]crashfs.Fault{
	"EIO":                {Err: syscall.EIO},
	"EIO after a part":   {Err: syscall.EIO, Part: true},
	"ENOSPC":             {Err: syscall.ENOSPC},
	"ENOSPC half way":    {Err: syscall.ENOSPC, Part: true},
	"a silent short one": {Part: true},
}

// The n-th operation fails, for every n and every kind of failure, and so do all that
// follow it or none of them. Nothing acknowledged may be lost, and a log that is poisoned
// must stay so.
func TestEveryOperationFailsOnce(t *testing.T) {
	for name, kind := range faults {
		for _, times := range []int{1, 2, 1 << 30} {
			t.Run(fmt.Sprintf("%s, %d times", name, times), func(t *testing.T) {
				poisoned, full := 0, 0
				for seed := range seeds(t, 20) {
					last := operations(t, seed)
					for n := 1; n <= last; n++ {
						err := failing(seed, n, times, kind, mutant{}, func(l *Log) {
							if errors.Is(l.Err(), ErrPoisoned) {
								poisoned++
							} else if errors.Is(l.Err(), ErrFull) {
								full++
							}
						})
						if err != nil {
							t.Fatalf("seed %d, operation %d: %v", seed, n, err)
						}
					}
				}
				if kind.Err == syscall.ENOSPC && times == 1 && full == 0 {
					t.Error("the log was never full")
				}
				if kind.Err == syscall.ENOSPC && times == 1 && poisoned > 0 {
					t.Errorf("one full disk poisoned the log %d times", poisoned)
				}
				if (kind.Err == syscall.EIO || times > 1) && poisoned == 0 {
					t.Error("the log was never poisoned")
				}
			})
		}
	}
}

// failing writes a log until operation n fails, then checks the log that is left.
func failing(seed, n, times int, kind crashfs.Fault, m mutant, seen func(*Log)) error {
	r := seeded(seed, n)
	fsys, h := crashfs.New(), &history{}
	fsys.Fault = func(op int, name, _ string) crashfs.Fault {
		if op < n || op-n >= times || kind.Err == nil && name != "write" {
			return crashfs.Fault{}
		}
		return kind
	}
	l, err := h.reopen(small(m.on(fsys)), true)
	if errors.Is(err, errWrong) {
		return err
	}
	if l != nil {
		err = h.work(m.over(l), seeded(seed, 0), 9)
		if errors.Is(err, ErrFull) {
			if err = wantFull(l); err == nil {
				// Outcomes still go in while the reserve lasts.
				if err = h.append(l, r); err == nil {
					err = h.flush(l)
				}
			}
		}
		if err != nil && !errors.Is(err, ErrPoisoned) {
			return fmt.Errorf("an error that is neither full nor poisoned: %w", err)
		}
		if err != nil {
			done := fsys.Ops
			if err := wantPoison(l, kind.Err); err != nil {
				return err
			}
			if _ = l.Close(); fsys.Ops != done {
				return fmt.Errorf("%d operations after poison", fsys.Ops-done)
			}
		}
		seen(l)
		if closeErr := l.Close(); (closeErr == nil) != (err == nil) {
			return fmt.Errorf("work says %v and Close %v", err, closeErr)
		}
		if closeErr := l.Append(1, nil); err == nil && closeErr != ErrClosed {
			return fmt.Errorf("after Close: %v", closeErr)
		}
	}
	l, err = h.reopen(small(fsys.After([]int{crashfs.Killed, crashfs.PowerCut, crashfs.SectorsCut}[r.IntN(3)], r)), false)
	if err != nil {
		return err
	}
	return l.Close()
}

// The disk is full at an operation and the power goes soon after: while the reserve is
// given up, while the group is written again, or while outcomes go into the room of the
// reserve.
func TestPowerCutOnAFullDisk(t *testing.T) {
	t.Parallel()
	cuts, full := 0, 0
	for seed := range seeds(t, 60) {
		wide := crash{seed: seed, wide: seed%2 == 0}
		for n := range wide.operations(t) {
			cuts++
			wasFull, err := fullThenCut(wide, n+1)
			if err != nil {
				t.Fatalf("seed %d, full at operation %d: %v", seed, n+1, err)
			}
			if wasFull {
				full++
			}
		}
	}
	t.Logf("%d cuts; %d hit a log on a full disk", cuts, full)
	if full < cuts/10 {
		t.Error("the log is hardly ever full")
	}
}

func fullThenCut(c crash, n int) (full bool, err error) {
	r := seeded(c.seed, n)
	fsys, h := crashfs.New(), &history{}
	fsys.CutAt, fsys.CutAfter = n+1+r.IntN(12), r.IntN(2) == 0
	fsys.Fault = func(op int, _, _ string) crashfs.Fault {
		if op != n {
			return crashfs.Fault{}
		}
		return crashfs.Fault{Err: syscall.ENOSPC, Part: r.IntN(2) == 0}
	}
	l, err := h.reopen(c.options(fsys), true)
	if l != nil {
		err = c.work(h, l, 0)
		for full = errors.Is(err, ErrFull); err == nil || errors.Is(err, ErrFull); {
			if err = h.append(l, r); err == nil {
				err = h.flush(l)
			}
		}
	}
	if !errors.Is(err, crashfs.ErrCut) && !errors.Is(err, ErrFull) && !errors.Is(err, syscall.ENOSPC) {
		return full, err
	}
	next := fsys.After([]int{crashfs.Killed, crashfs.PowerCut, crashfs.SectorsCut}[r.IntN(3)], r)
	if l != nil {
		_ = l.Close()
	}
	l, err = h.reopen(c.options(next), false)
	if err != nil {
		return full, err
	}
	return full, l.Close()
}

// Each read fails once, by Read and by Open. This is not damage and not a torn tail: the log is
// unchanged, and opens the next time.
func TestEveryReadFails(t *testing.T) {
	fsys, want := sampleLog(t)
	last := fileOf(fsys, 3)
	last.Data = append(last.Data, make([]byte, 3*sector)...) // so that a tail is judged
	last.Data = append(last.Data, "and something behind the zeros"...)
	failures := 0
	for n := 1; ; n++ {
		fsys.FailRead = n
		fsys.Reads = 0
		_, _, readErr := read(fsys)
		readFailed := fsys.Reads >= n
		fsys.Reads = 0
		l, openErr := Open("log", testRun, small(fsys), nil)
		if openErr == nil {
			must(t, l.Close())
			break
		}
		failures++
		for name, err := range map[string]error{"Read": readErr, "Open": openErr} {
			var damage *CorruptError
			if (name == "Open" || readFailed) && (!errors.Is(err, syscall.EIO) || errors.As(err, &damage)) {
				t.Fatalf("%s, whose read %d fails: %v", name, n, err)
			}
		}
	}
	if failures < 8 {
		t.Errorf("only %d reads", failures)
	}
	fsys.FailRead = 0
	if got := readAll(t, fsys); prefixOf(got, want) != len(want) {
		t.Errorf("%d of %d records", len(got), len(want))
	}
}

func wantFull(l *Log) error {
	if err := l.Commit(1, nil); !errors.Is(err, ErrFull) {
		return fmt.Errorf("Commit on a full log: %w", err)
	}
	return wantFailed(l)
}

func wantFailed(l *Log) error {
	select {
	case <-l.Failed():
		return nil
	default:
		return errors.New("Failed is not closed")
	}
}

// wantPoison checks that every call tells of the poison and its cause.
func wantPoison(l *Log, cause error) error {
	for range 3 {
		for name, err := range map[string]error{
			"Append": l.Append(1, nil), "Commit": l.Commit(1, nil), "Flush": l.Flush(), "Err": l.Err(),
		} {
			if !errors.Is(err, ErrPoisoned) || cause != nil && !errors.Is(err, cause) {
				return fmt.Errorf("%s after poison: %w", name, err)
			}
		}
	}
	return wantFailed(l)
}

// The disk has room for a number of bytes, tried for every relevant number. When it is full,
// intents are refused and outcomes go into the reserve. When the reserve is full too, the log
// is poisoned. Every acknowledged record is there afterwards.
func TestFullDisk(t *testing.T) {
	sawFull, sawOutcomes := 0, 0
	for capacity := int64(1); capacity < 2600; capacity++ {
		r := seeded(int(capacity), 0)
		fsys, h := crashfs.New(), &history{}
		fsys.Capacity = capacity
		l, err := h.reopen(small(fsys), true)
		if err != nil {
			if !errors.Is(err, ErrFull) || capacity > 600+headerSize {
				t.Fatalf("capacity %d: %v", capacity, err)
			}
			continue
		}
		err = h.work(l, r, 1000)
		refused := len(h.entries) > 0 && h.entries[len(h.entries)-1].refused
		if errors.Is(err, ErrFull) {
			sawFull++
			must(t, wantFull(l))
			for err = nil; err == nil; {
				if err = h.append(l, r); err == nil {
					err = h.flush(l)
				}
				if err == nil {
					sawOutcomes++
				}
			}
		}
		if !errors.Is(err, ErrPoisoned) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("capacity %d: %v", capacity, err)
		}
		must(t, wantPoison(l, syscall.ENOSPC))
		_ = l.Close()
		if _, err := Open("log", testRun, small(fsys), nil); !errors.Is(err, ErrFull) {
			t.Fatalf("capacity %d: Open on a full disk: %v", capacity, err)
		}
		fsys.Capacity = 0
		var last string
		_, err = Read("log", testRun, small(fsys), func(r Record) error { last = text(r); return nil })
		must(t, err)
		if refused {
			for _, e := range h.entries {
				if e.refused && e.text == last {
					t.Fatalf("capacity %d: a refused record is in the log", capacity)
				}
			}
		}
		l, err = h.reopen(small(fsys), false)
		if err != nil {
			t.Fatalf("capacity %d: %v", capacity, err)
		}
		must(t, l.Close())
	}
	if sawFull < 1000 || sawOutcomes < sawFull {
		t.Errorf("full %d times, and %d outcomes after it", sawFull, sawOutcomes)
	}
}

// A group that meets the full disk holds outcomes and intents from many callers: the
// intents go, the outcomes stay in order.
func TestFullDiskDropsIntentsFromTheirGroup(t *testing.T) {
	gate, late := make(chan struct{}), make(chan struct{})
	fsys := crashfs.New()
	writes := 0
	fsys.Fault = func(_ int, op, _ string) crashfs.Fault {
		if op != "write" {
			return crashfs.Fault{}
		}
		if writes++; writes == 2 { // the first group, held up until the second has collected
			fsys.Mu.Unlock()
			<-gate
			fsys.Mu.Lock()
		}
		if writes == 3 {
			fsys.Mu.Unlock()
			<-late
			fsys.Mu.Lock()
			return crashfs.Fault{Err: syscall.ENOSPC, Part: true}
		}
		return crashfs.Fault{}
	}
	l, err := Open("log", testRun, small(fsys), nil)
	must(t, err)
	first, second := make(chan error, 1), make(chan error, 8)
	go func() { first <- l.Commit(1, []byte("first")) }()
	pending := func(n int) {
		for deadline := time.Now().Add(10 * time.Second); ; {
			l.mu.Lock()
			done := l.inflight != nil && len(l.current.intents) == n
			l.mu.Unlock()
			if done {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("the group does not collect")
			}
		}
	}
	pending(0)
	want := []string{"1 first"}
	intents := 0
	for i, intent := range []bool{true, true, false, true, false, false, true} {
		payload := fmt.Append(nil, "record ", i)
		if !intent {
			must(t, l.Append(2, payload))
			want = append(want, fmt.Sprintf("2 %s", payload))
			continue
		}
		intents++
		go func() { second <- l.Commit(3, payload) }()
		pending(intents)
	}
	close(gate)
	must(t, <-first)
	pending(0) // the second group is being written; what comes now is in a third
	intents++
	go func() { second <- l.Commit(3, []byte("late")) }()
	pending(1)
	close(late)
	for range intents {
		if err := <-second; !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("a refused intent: %v", err)
		}
	}
	must(t, l.Append(2, []byte("afterwards")))
	want = append(want, "2 afterwards")
	must(t, l.Flush())
	must(t, l.Close())
	var got []string
	l, err = Open("log", testRun, small(fsys), func(r Record) error {
		got = append(got, text(r))
		return nil
	})
	must(t, err)
	must(t, l.Close())
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("replayed %q, want %q", got, want)
	}
}
