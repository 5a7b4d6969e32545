package inbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/disk"
	"cohort/engine/disk/crashfs"
	"cohort/engine/journal"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var osFS = disk.OS()

// openOn opens an inbox on a filesystem.
func openOn(fsys disk.FS, dir string, volumeBytes int64) (*Inbox, error) {
	in := newInbox(fsys, dir, volumeBytes)
	return in, in.open()
}

var background = context.Background()

func event(key string) delivery.Event {
	return delivery.Event{
		Source: delivery.Callback, Kind: delivery.OfMessage, Reference: "1f0b7d1e-6c1c-8b6a-9f00-0a1b2c3d4e5f", MessageID: "30XcAOfwjq59r72AQTjxL4V7Heg",
		Status: "delivered", At: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Key: key,
	}
}

func events(keys ...string) (list []delivery.Event) {
	for _, key := range keys {
		list = append(list, event(key))
	}
	return list
}

// readKeys reads the keys of the events after a position.
func readKeys(fsys disk.FS, dir string, from Position) (keys []string, end Position, err error) {
	end, err = readOn(fsys, dir, from, nil, nil, func(at Position, e delivery.Event) error {
		keys = append(keys, e.Key)
		return nil
	})
	return keys, end, err
}

// Whatever is put is read, once and in order, over volumes and starts, and from the position of
// every event on.
func TestReadingOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	var want []string
	var follow Position
	var followed []string
	readOnward := func() {
		t.Helper()
		keys, end, err := readKeys(osFS, dir, follow)
		must(t, err)
		must(t, follow.UnmarshalText([]byte(end.String())))
		followed = append(followed, keys...)
		if !slices.Equal(followed, want) {
			t.Fatalf("read %v of %v", followed, want)
		}
	}
	readOnward() // there is no inbox
	for start := range 3 {
		in, err := Open(dir, "callbacks")
		must(t, err)
		in.volumeBytes = 600
		readOnward()
		must(t, in.Put(background, nil))
		for i := range 6 {
			keys := []string{fmt.Sprint(start, i, "a"), fmt.Sprint(start, i, "b")}[:1+i%2]
			must(t, in.Put(background, events(keys...)))
			want = append(want, keys...)
			readOnward()
		}
		must(t, in.Close())
		if err := in.Put(background, events("late")); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	all, err := volumes(osFS, dir)
	must(t, err)
	if len(all) < 4 {
		t.Errorf("there are only %d volumes", len(all))
	}
	var positions []Position
	end, err := Read(dir, Position{}, func(at Position, e delivery.Event) error {
		if !reflect.DeepEqual(e, event(e.Key)) {
			t.Errorf("read %+v", e)
		}
		positions = append(positions, at)
		return nil
	})
	must(t, err)
	if end != follow || !slices.IsSortedFunc(positions, Position.Compare) {
		t.Errorf("the end is %s and %s; positions %v", end, follow, positions)
	}
	for i, at := range positions {
		keys, _, err := readKeys(osFS, dir, at)
		must(t, err)
		if !slices.Equal(keys, want[i+1:]) {
			t.Errorf("after event %d at %s: %v", i, at, keys)
		}
	}
}

func TestPositions(t *testing.T) {
	for _, text := range []string{"", "1:2:3", "1:2:3:4:5", "1:2:-3:+4", "01:2:3:4", "1:2:3:x", "1:2:3:4 ", "1:2:3:4:0:0", "1:2:3:4:5:6:7"} {
		var p Position
		if p.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
	for _, text := range []string{"1:2:3:4", "1:2:3:4:5:6", "1:2:3:4:5:0"} { // the first is of an older version
		var p Position
		if err := p.UnmarshalText([]byte(text)); err != nil || p.String() != text {
			t.Errorf("%s is %s: %v", text, p, err)
		}
	}
	p := Position{Volume: 1}
	if err := p.UnmarshalText([]byte(Position{}.String())); err != nil || p != (Position{}) {
		t.Errorf("%v: %v", p, err)
	}
}

// A second receiver is refused, and told which process is at work and where.
func TestTwoReceivers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	in, err := Open(dir, "callbacks")
	must(t, err)
	_, err = Open(dir, "callbacks")
	host, _ := os.Hostname()
	if held := (*disk.HeldError)(nil); !errors.As(err, &held) || held.Holder.PID != os.Getpid() || held.Holder.Host != host || held.Holder.Doing != "callbacks" {
		t.Error(err)
	}
	must(t, in.Close())
	in, err = Open(dir, "callbacks")
	must(t, err)
	must(t, in.Close())
}

// Callers that come together share a sync.
func TestCallersShareASync(t *testing.T) {
	fsys := crashfs.New()
	syncs := 0
	fsys.Fault = func(_ int, op, _ string) crashfs.Fault {
		if op == "sync" {
			syncs++
			time.Sleep(2 * time.Millisecond) // the others come meanwhile
		}
		return crashfs.Fault{}
	}
	in, err := openOn(fsys, ".", 1<<20)
	must(t, err)
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			for j := range 20 {
				if err := in.Put(background, events(fmt.Sprint(i, " ", j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	must(t, in.Close())
	keys, _, err := readKeys(fsys, ".", Position{})
	must(t, err)
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 1000 || syncs > 500 {
		t.Errorf("%d events after %d syncs", len(keys), syncs)
	}
}

// A failed sync is told to every caller that waits for it and to all later ones. Reopened, the
// inbox has everything that was acknowledged.
func TestAFailedSync(t *testing.T) {
	for _, err := range []error{syscall.EIO, syscall.ENOSPC} {
		fsys := crashfs.New()
		in, e := openOn(fsys, ".", 1<<20)
		must(t, e)
		must(t, in.Put(background, events("before")))
		fsys.Mu.Lock()
		fsys.Fault = func(_ int, op, _ string) crashfs.Fault {
			if op == "sync" || op == "create" {
				return crashfs.Fault{Err: err}
			}
			return crashfs.Fault{}
		}
		fsys.Mu.Unlock()
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				if got := in.Put(background, events(fmt.Sprint("during ", i), "and more")); !errors.Is(got, err) {
					t.Errorf("a caller was told: %v", got)
				}
			})
		}
		wait.Wait()
		if got := in.Put(background, events("later")); !errors.Is(got, err) || !errors.Is(got, journal.ErrPoisoned) {
			t.Errorf("a later caller was told: %v", got)
		}
		if err == syscall.EIO {
			if got := in.Reopen(); !errors.Is(got, err) {
				t.Errorf("Reopen says: %v", got)
			}
			if got := in.Put(background, events("later")); !errors.Is(got, err) {
				t.Errorf("a caller after Reopen was told: %v", got)
			}
			fsys.Fault = nil // the disk works again
			must(t, in.Reopen())
		} else {
			if got := in.Close(); !errors.Is(got, err) {
				t.Errorf("Close says: %v", got)
			}
			fsys.Fault = nil
			in, e = openOn(fsys, ".", 1<<20)
			must(t, e)
		}
		must(t, in.Put(background, events("after")))
		must(t, in.Close())
		keys, _, e := readKeys(fsys, ".", Position{})
		must(t, e)
		if keys[0] != "before" || keys[len(keys)-1] != "after" || slices.Contains(keys, "later") {
			t.Errorf("it has %v", keys)
		}
	}
}

// A volume that cannot begin stops the inbox, and what was acknowledged is there.
func TestAVolumeThatCannotBegin(t *testing.T) {
	fsys := crashfs.New()
	in, err := openOn(fsys, ".", 1)
	must(t, err)
	must(t, in.Put(background, events("before")))
	fsys.Fault = func(_ int, op, _ string) crashfs.Fault {
		if op == "mkdir" {
			return crashfs.Fault{Err: syscall.EDQUOT}
		}
		return crashfs.Fault{}
	}
	if err := in.Put(background, events("during")); !errors.Is(err, syscall.EDQUOT) || !errors.Is(err, journal.ErrFull) {
		t.Error(err)
	}
	fsys.Fault = nil
	if err := in.Put(background, events("later")); !errors.Is(err, syscall.EDQUOT) {
		t.Error(err)
	}
	must(t, in.Reopen())
	must(t, in.Put(background, events("after")))
	must(t, in.Close())
	keys, _, err := readKeys(fsys, ".", Position{})
	if err != nil || !slices.Equal(keys, []string{"before", "after"}) {
		t.Errorf("%v: %v", keys, err)
	}
}

// A volume that was full before a start is full after it, and a folder of others is no volume. The
// first number tells the inbox from an earlier one in the same place.
func TestTheNextVolume(t *testing.T) {
	fsys, began := crashfs.New(), uint64(time.Now().Unix())
	must(t, fsys.Mkdir("7"))
	for range 3 {
		in, err := openOn(fsys, ".", 1)
		must(t, err)
		must(t, in.Put(background, events("a")))
		must(t, in.Close())
	}
	all, err := volumes(fsys, ".")
	must(t, err)
	if len(all) != 3 || all[0] < began || all[2] != all[0]+2 {
		t.Errorf("since %d: %d", began, all)
	}
}

func TestAContextThatHasEnded(t *testing.T) {
	fsys := crashfs.New()
	in, err := openOn(fsys, ".", 1<<20)
	must(t, err)
	ended, end := context.WithCancel(background)
	end()
	if err := in.Put(ended, events("never")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	must(t, in.Close())
	if keys, _, err := readKeys(fsys, ".", Position{}); err != nil || len(keys) != 0 {
		t.Errorf("%v: %v", keys, err)
	}
}

// A reader has seen an event that a power cut took before its sync. It reads from the start, so that it misses none that
// was put since.
func TestAnEventThatOnlyAReaderSaw(t *testing.T) {
	for name, lose := range map[string]func(path string, from int64) error{
		"the file is shorter": os.Truncate,
		"its sectors are empty": func(path string, from int64) error {
			raw, err := os.ReadFile(path)
			clear(raw[from:])
			return errors.Join(err, os.WriteFile(path, raw, 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "inbox")
		in, err := Open(dir, "")
		must(t, err)
		must(t, in.Put(background, events("0")))
		_, kept, err := readKeys(osFS, dir, Position{})
		must(t, err)
		must(t, in.Put(background, events("lost", "lost as well")))
		_, at, err := readKeys(osFS, dir, Position{})
		must(t, err)
		must(t, in.Close())
		must(t, lose(journal.SegmentPath(volumePath(dir, at.Volume), at.Segment), kept.Offset))
		if keys, end, err := readKeys(osFS, dir, at); err != nil || !slices.Equal(keys, []string{"0"}) || end != kept {
			t.Errorf("%s: %v to %s: %v", name, keys, end, err)
		}
		for _, key := range []string{"1", "2"} { // two starts: one segment each
			in, err = Open(dir, "")
			must(t, err)
			must(t, in.Put(background, events(key)))
			must(t, in.Close())
		}
		if keys, _, err := readKeys(osFS, dir, at); err != nil || !slices.Equal(keys, []string{"0", "1", "2"}) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}

// Old volumes go, and what readers still need stays.
func TestDrop(t *testing.T) {
	dir, later := filepath.Join(t.TempDir(), "inbox"), time.Now().Add(time.Hour)
	must(t, Drop(dir, Position{}, later)) // there is no inbox
	in, err := Open(dir, "callbacks")
	must(t, err)
	in.volumeBytes = 1
	var positions []Position
	for i := range 5 {
		must(t, in.Put(background, events(fmt.Sprint(i))))
		_, end, err := readKeys(osFS, dir, Position{})
		must(t, err)
		positions = append(positions, end)
	}
	expect := func(from Position, want ...string) {
		t.Helper()
		keys, _, err := readKeys(osFS, dir, from)
		if err != nil || !slices.Equal(keys, want) {
			t.Errorf("from %s: %v, %v", from, keys, err)
		}
	}
	// A crash in the middle of dropping leaves a part of a volume behind.
	must(t, os.MkdirAll(volumePath(dir, 1)+".dropped/part", 0o700))
	must(t, Drop(dir, positions[0], later))
	expect(Position{}, "0", "1", "2", "3", "4")
	old := time.Now().AddDate(-1, 0, 0)
	must(t, os.Chtimes(volumePath(dir, positions[0].Volume), old, old)) // it was begun then
	must(t, Drop(dir, positions[2], time.Now().Add(-time.Hour)))
	expect(Position{}, "0", "1", "2", "3", "4") // they were written to lately
	must(t, Drop(dir, positions[2], later))
	expect(Position{}, "2", "3", "4")
	expect(positions[2], "3", "4")
	if _, _, err := readKeys(osFS, dir, positions[1]); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	far := positions[4]
	far.Volume += 1000
	must(t, Drop(dir, far, later))
	expect(Position{}, "4") // it is written to
	must(t, in.Put(background, events("5")))
	must(t, in.Close())
	expect(positions[4], "5")
	names, err := os.ReadDir(dir)
	must(t, err)
	if len(names) != 3 { // two volumes and the lock
		t.Errorf("there are %v", names)
	}
	// A position of another inbox in the same place is no position here.
	must(t, os.RemoveAll(dir))
	in, err = Open(dir, "callbacks")
	must(t, err)
	must(t, in.Put(background, events("new")))
	must(t, in.Close())
	if _, _, err := readKeys(osFS, dir, far); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

// A reader that fails goes on with the event that it could not take.
func TestAReaderThatFails(t *testing.T) {
	fsys := crashfs.New()
	in, err := openOn(fsys, ".", 300)
	must(t, err)
	for i := range 6 {
		must(t, in.Put(background, events(fmt.Sprint(i))))
	}
	must(t, in.Close())
	var got []string
	var at Position
	errFull := errors.New("full")
	for calls := 0; ; {
		at, err = readOn(fsys, ".", at, nil, nil, func(_ Position, e delivery.Event) error {
			if calls++; calls%3 == 0 {
				return errFull
			}
			got = append(got, e.Key)
			return nil
		})
		if err == nil {
			break
		}
		if err != errFull {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []string{"0", "1", "2", "3", "4", "5"}) {
		t.Errorf("read %v", got)
	}
}

// An event or a record of a newer program is refused, and names the file.
func TestANewerProgramsEvents(t *testing.T) {
	for name, put := range map[string]func(l *journal.Log) error{
		"an event": func(l *journal.Log) error { return l.Commit(eventType, []byte{200}) },
		"a record": func(l *journal.Log) error { e := event("a"); return l.Commit(9, delivery.Append(nil, &e)) },
	} {
		fsys := crashfs.New()
		in, err := openOn(fsys, ".", 1<<20)
		must(t, err)
		must(t, put(in.log))
		must(t, in.Close())
		if _, _, err := readKeys(fsys, ".", Position{}); !errors.Is(err, delivery.ErrNewer) || !strings.Contains(err.Error(), volumePath(".", in.volume)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Damage is told, and not taken for a torn end.
func TestDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	in, err := Open(dir, "")
	must(t, err)
	must(t, in.Put(background, events("0")))
	_, at, err := readKeys(osFS, dir, Position{})
	must(t, err)
	must(t, in.Put(background, events("1")))
	must(t, in.Put(background, events("2")))
	must(t, in.Close())
	path := journal.SegmentPath(volumePath(dir, in.volume), 1)
	raw, err := os.ReadFile(path)
	must(t, err)
	raw[at.Offset+frameBytes+5] ^= 1
	must(t, os.WriteFile(path, raw, 0o600))
	for _, from := range []Position{{}, at} {
		if _, end, err := readKeys(osFS, dir, from); !errors.As(err, new(*journal.CorruptError)) || end != (Position{}) {
			t.Errorf("from %s to %s: %v", from, end, err)
		}
	}
	nowhere := at
	nowhere.Segment = 99
	if _, _, err := readKeys(osFS, dir, nowhere); !errors.As(err, new(*journal.CorruptError)) {
		t.Error(err)
	}
	if _, err := Open(dir, ""); !errors.As(err, new(*journal.CorruptError)) {
		t.Error(err)
	}
}

// Nothing is acknowledged into files that nobody finds. Reopened, the inbox is a new one in its folder.
func TestAnInboxThatWasMoved(t *testing.T) {
	for name, harm := range map[string]func(dir, volume string) error{
		"its folder was deleted":  func(dir, _ string) error { return os.RemoveAll(dir) },
		"its folder was moved":    func(dir, _ string) error { return os.Rename(dir, dir+".old") },
		"its volume was deleted":  func(_, volume string) error { return os.RemoveAll(volume) },
		"its segment was deleted": func(_, volume string) error { return os.Remove(journal.SegmentPath(volume, 1)) },
		"its lock was deleted":    func(dir, _ string) error { return os.Remove(filepath.Join(dir, lockFile)) },
		"a copy is in its place": func(dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.CopyFS(dir, os.DirFS(dir+".old")))
		},
	} {
		dir := filepath.Join(t.TempDir(), "inbox")
		in, err := Open(dir, "callbacks")
		must(t, err)
		must(t, in.Put(background, events("before")))
		must(t, in.InPlace())
		must(t, harm(dir, volumePath(dir, in.volume)))
		if err := in.Put(background, events("during")); !errors.Is(err, ErrMoved) || !errors.Is(in.InPlace(), ErrMoved) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, in.Reopen())
		must(t, in.InPlace())
		must(t, in.Put(background, events("after")))
		must(t, in.Close())
		if keys, _, err := readKeys(osFS, dir, Position{}); err != nil || !slices.Contains(keys, "after") {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}

// A damaged volume stays as it is, and a new one begins beside it.
func TestANewVolumeBesideADamagedOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	in, err := Open(dir, "callbacks")
	must(t, err)
	must(t, in.Put(background, events("0")))
	must(t, in.Put(background, events("1")))
	must(t, in.Close())
	path := journal.SegmentPath(volumePath(dir, in.volume), 1)
	raw, err := os.ReadFile(path)
	must(t, err)
	raw[100] ^= 1
	must(t, os.WriteFile(path, raw, 0o600))
	if _, err := Open(dir, "send"); !errors.As(err, new(*journal.CorruptError)) {
		t.Fatal(err)
	}
	var told error
	in, err = OpenBeside(dir, "callbacks", func(damage error) { told = damage })
	must(t, err)
	must(t, in.Put(background, events("2")))
	must(t, in.Close())
	if damage := (*journal.CorruptError)(nil); !errors.As(told, &damage) || damage.File != path {
		t.Error(told)
	}
	if now, err := os.ReadFile(path); err != nil || !slices.Equal(now, raw) {
		t.Errorf("the damaged file was changed: %v", err)
	}
	if keys, _, err := readKeys(osFS, dir, Position{}); !errors.As(err, new(*journal.CorruptError)) {
		t.Errorf("%v, %v", keys, err)
	}
	var keys []string
	told = nil
	_, err = ReadPast(dir, Position{}, func(damage error) { told = damage }, func(_ Position, e delivery.Event) error {
		keys = append(keys, e.Key)
		return nil
	})
	if err != nil || told == nil || !slices.Equal(keys, []string{"2"}) {
		t.Errorf("past %v there are %v: %v", told, keys, err)
	}
}

// An inbox that was brought back from an older copy takes other events where a reader has been before. The reader misses
// none of them.
func TestAnInboxFromAnOlderCopy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	put := func(volumeBytes int64, keys ...string) {
		t.Helper()
		in, err := Open(dir, "callbacks")
		must(t, err)
		in.volumeBytes = volumeBytes
		for _, key := range keys {
			must(t, in.Put(background, events(key)))
		}
		must(t, in.Close())
	}
	for name, volumeBytes := range map[string]int64{"in a volume": 1 << 20, "over volumes": 1} {
		must(t, os.RemoveAll(dir))
		put(volumeBytes, "a", "b")
		must(t, os.CopyFS(dir+".copy"+name, os.DirFS(dir)))
		put(volumeBytes, "c", "d")
		_, at, err := readKeys(osFS, dir, Position{})
		must(t, err)
		must(t, os.RemoveAll(dir))
		must(t, os.Rename(dir+".copy"+name, dir))
		expect := func(from Position, want ...string) {
			t.Helper()
			if keys, _, err := readKeys(osFS, dir, from); err != nil || !slices.Equal(keys, want) {
				t.Errorf("%s: %v, %v", name, keys, err)
			}
		}
		if volumeBytes > 1 {
			expect(at, "a", "b")
		} else if _, _, err := readKeys(osFS, dir, at); !errors.Is(err, ErrGone) { // of the volume
			t.Errorf("%s: %v", name, err)
		}
		put(volumeBytes, "e", "f", "g") // e and f are where c and d were
		expect(at, "a", "b", "e", "f", "g")
		expect(Position{Volume: at.Volume, Segment: at.Segment, Offset: at.Offset, Seq: at.Seq}, "a", "b", "e", "f", "g") // as older versions wrote it
	}
}
