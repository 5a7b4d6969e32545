package share

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cohort/engine/pace"
)

// asks returns the wait and the reason of a run that asks.
func asks(t *testing.T, s *process) (time.Duration, string) {
	t.Helper()
	wait, why, err := s.Ask()
	if err != nil {
		t.Fatal(err)
	}
	return wait, why
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const whole = minute + pace.PermitLife

// A file that tells nothing of the minute before holds everybody, until that minute cannot matter. Each is damaged
// while a run is at work, and then read by that run, by another, or by one that starts later.
func TestADamagedFileCostsAMinute(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"removed":             os.Remove,
		"emptied":             func(path string) error { return os.Truncate(path, 0) },
		"cut":                 func(path string) error { return os.Truncate(path, 1000) },
		"nonsense":            func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 2*page)), 0o600) },
		"zeros":               func(path string) error { return os.WriteFile(path, make([]byte, page), 0o600) },
		"of another start":    func(path string) error { return flip(path, 20) },
		"a count has changed": func(path string) error { return flip(path, 200) },
	} {
		for _, reader := range []string{"the run", "another", "a new one"} {
			t.Run(name+" read by "+reader, func(t *testing.T) {
				w := newModel(t, 1, 1200)
				one, two := w.begin(Options{Weight: 1}), w.begin(Options{Weight: 1})
				if wait, why := asks(t, one); wait != 0 {
					t.Fatalf("a new file: wait %s, %s", wait, why)
				}
				must(t, damage(one.path))
				by := map[string]*process{"the run": one, "another": two}[reader]
				if by == nil {
					by = w.begin(Options{Weight: 1})
				}
				wait, why := asks(t, by)
				if wait != whole || !strings.Contains(why, "was damaged or lost") || !strings.Contains(why, one.path) {
					t.Errorf("wait %s, %q", wait, why)
				}
				w.now += whole - time.Millisecond
				if wait, _ := asks(t, two); wait != time.Millisecond {
					t.Errorf("a moment before the end: wait %s", wait)
				}
				w.now += time.Millisecond
				if wait, why := asks(t, two); wait != 0 {
					t.Errorf("at the end: wait %s, %s", wait, why)
				}
			})
		}
	}
}

// Where runs have sent before, a folder that is not there tells nothing of the minute before. In a new register it does.
func TestALostFolderCostsAMinute(t *testing.T) {
	for _, sent := range []bool{false, true} {
		w := newModel(t, 1, 1200)
		if wait, why := asks(t, w.begin(Options{Weight: 1, Sent: sent})); (wait == whole) != sent {
			t.Errorf("sent before: %t; wait %s, %s", sent, wait, why)
		}
		if wait, _ := asks(t, w.begin(Options{Weight: 1, Sent: true})); (wait == whole) != sent {
			t.Errorf("the next one: wait %s", wait)
		}
	}
}

func flip(path string, at int) error {
	text, err := os.ReadFile(path)
	if err == nil {
		text[at] ^= 1
		err = os.WriteFile(path, text, 0o600)
	}
	return err
}

// Another start of the machine has other moments. While runs of another machine are at work, nobody can join.
func TestAnotherStartAndAnotherMachine(t *testing.T) {
	w := newModel(t, 1, 1200)
	one := w.begin(Options{Weight: 1})
	here := &Share{o: one.o, clock: one.clock}
	here.boot[0] = 'x'
	if err := here.open(w.folder); !errors.Is(err, ErrElsewhere) {
		t.Errorf("two machines: %v", err)
	}
	one.Close()
	w.now -= 30 * time.Minute // the clock began anew
	here = &Share{o: one.o, clock: one.clock}
	here.boot[0] = 'x'
	must(t, here.open(w.folder))
	if wait, why := asks(t, &process{Share: here}); wait != whole || !strings.Contains(why, "the machine was started anew") {
		t.Errorf("after a start: %s, %q", wait, why)
	}
}

// A quiet holds every run, also one that starts later, and outlives the run that got it.
func TestAQuietHoldsAllRuns(t *testing.T) {
	w := newModel(t, 1, 1200)
	one, two := w.begin(Options{Weight: 1}), w.begin(Options{Weight: 1})
	one.Hold(time.Minute)
	one.Hold(time.Second) // never shortens one
	w.kill(0)
	for _, p := range []*process{two, w.begin(Options{Weight: 1, Urgent: true})} {
		if wait, why := asks(t, p); wait != time.Minute || !strings.Contains(why, "the service asked for quiet") {
			t.Errorf("wait %s, %q", wait, why)
		}
	}
	w.now += time.Minute
	if wait, why := asks(t, two); wait != 0 {
		t.Errorf("after the quiet: wait %s, %q", wait, why)
	}
}

// A process may stand still with the lock. The others go on without it after a second, and forget nothing.
func TestAProcessStandsStillWithTheLock(t *testing.T) {
	w := newModel(t, 1, 1200)
	one, two := w.begin(Options{Weight: 1}), w.begin(Options{Weight: 1})
	if wait, _ := asks(t, one); wait != 0 {
		t.Fatal(wait)
	}
	still, err := os.OpenFile(one.path+".lock", os.O_RDWR, 0)
	must(t, err)
	must(t, unix.FcntlFlock(still.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: seats, Len: 1}))
	one.Done(pace.Answered)
	one.Hold(time.Minute)
	w.now += time.Second
	for range mostBusy {
		if wait, _ := asks(t, two); wait != busyWait {
			t.Fatalf("without the lock: %s", wait)
		}
	}
	if wait, _ := asks(t, two); wait != 0 {
		t.Errorf("after a second: %s", wait)
	}
	if wait, _ := asks(t, one); wait != time.Minute-time.Second {
		t.Errorf("the quiet was forgotten: %s", wait)
	}
	must(t, unix.FcntlFlock(still.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: seats + 1, Len: 1}))
	third := w.begin(Options{Weight: 1}) // which begins in spite of it
	if use := third.Use(); use.Runs != 3 || use.Requests != 2 {
		t.Errorf("a run that begins meanwhile: %+v", use)
	}
	w.kill(2)
	must(t, still.Close())
	if use := two.Use(); use != (pace.KeyUse{Share: "key", Runs: 2, Requests: 2, Quota: 1200}) {
		t.Errorf("%+v", use)
	}
	late := w.begin(Options{Weight: 1})
	if use := late.Use(); use.Runs != 3 || use.Requests != 2 {
		t.Errorf("a run that starts later: %+v", use)
	}
	must(t, os.Remove(late.file(late.gen)))
	if wait, _ := asks(t, w.begin(Options{Weight: 1})); wait != whole {
		t.Errorf("the file was removed, and an older one is read: wait %s", wait)
	}
}

// A change that comes to its end after others went on without it is void: the permit is not used, and no permit of the
// others is forgotten. One that was written before holds.
func TestAChangeThatComesTooLate(t *testing.T) {
	for written, name := range []string{"before the change is written", "after it"} {
		w := newModel(t, 1, 59) // one request in a second
		one, two := w.begin(Options{Weight: 1}), w.begin(Options{Weight: 1})
		goOn, ended := make(chan struct{}), make(chan error)
		one.clock = func() time.Duration { return w.now } // of its own, since the model's is moved meanwhile
		at := w.now
		go func() {
			ended <- one.update(func(r *ring, now time.Duration) {
				if wait, _ := r.ask(one.seat, now); wait != 0 {
					t.Error(wait)
				}
				if written == 1 {
					_ = one.write(r)
				}
				goOn <- struct{}{}
				<-goOn
			})
		}()
		<-goOn
		for range mostBusy {
			asks(t, two)
		}
		wait, _ := asks(t, two)
		if (wait > 0) != (written == 1) {
			t.Errorf("%s: the other waits %s", name, wait)
		}
		before := two.Use().Requests
		goOn <- struct{}{}
		if err := <-ended; err != errBusy || one.inAir != 0 {
			t.Errorf("%s: %v, and it has %d permits", name, err, one.inAir)
		}
		if after := two.Use().Requests; w.now != at || after != before || before != 1 {
			t.Errorf("%s: %d requests, and then %d", name, before, after)
		}
		if use := one.Use(); use.Requests != 1-written {
			t.Errorf("%s: in the end %d requests", name, use.Requests)
		}
	}
}

// A run that waits for long is told why, and one that waits for its turn is not.
func TestWhatARunWaitsFor(t *testing.T) {
	w := newModel(t, 1, 1200)
	bulk, urgent := w.begin(Options{Weight: 1}), w.begin(Options{Weight: 1, Urgent: true})
	said := map[time.Duration]string{}
	began := w.now
	for ; w.now < began+8*time.Second; w.now += 10 * time.Millisecond {
		if wait, _ := asks(t, urgent); wait == 0 {
			urgent.Done(pace.Answered)
		}
		_, why := asks(t, bulk)
		said[(w.now - began).Truncate(time.Second)] = why
	}
	if said[3*time.Second] != "" || said[7*time.Second] != "shares the key's requests with 1 other run: urgent ones go first" {
		t.Errorf("it says %q", said)
	}
	w.kill(1)
	w.now += time.Second
	if wait, why := asks(t, bulk); wait != 0 {
		t.Errorf("the urgent run is gone: wait %s, %q", wait, why)
	}
	if use := bulk.Use(); use.Runs != 1 || use.Requests < 150 || use.Requests > 180 {
		t.Errorf("%+v", use)
	}
}

func TestASeatForEach(t *testing.T) {
	w := newModel(t, 1, 1200)
	for range seats {
		w.begin(Options{Weight: 1})
	}
	s := &Share{o: Options{Name: "key", Weight: 1, Quota: 1}, clock: w.runs[0].clock}
	if err := s.open(w.folder); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	w.kill(7)
	must(t, s.open(w.folder))
	if u := s.Use(); u.Runs != seats || u.Quota != 1 {
		t.Errorf("%+v", u)
	}
}

// A folder that cannot be written refuses the start, and one that goes away later ends the run.
func TestAFolderThatCannotBeWritten(t *testing.T) {
	w := newModel(t, 1, 1200)
	p := w.begin(Options{Weight: 1})
	must(t, os.RemoveAll(filepath.Join(w.folder, Folder)))
	if _, _, err := p.Ask(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the folder: %v", err)
	}
	p.Done(pace.Answered)
	must(t, os.WriteFile(filepath.Join(w.folder, Folder), nil, 0o600))
	if _, err := Open(w.folder, Options{Name: "key", Weight: 1, Quota: 1}); err == nil {
		t.Error("a file in place of the folder")
	}
	if _, err := Open("/dev/full", Options{Name: "key", Weight: 1, Quota: 1}); err == nil {
		t.Error("no folder can be made")
	}
}

// The file on disk, by the machine's own clock.
func TestTheMachinesClock(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Name: "key", Weight: 1, Quota: 1200})
	must(t, err)
	defer s.Close()
	if wait, why, err := s.Ask(); wait != 0 || err != nil {
		t.Fatalf("%s, %q, %v", wait, why, err)
	}
	if wait, _, err := s.Ask(); wait == 0 || err != nil { // but for a process that stood still in between
		t.Logf("%s, %v", wait, err)
	}
	if info, err := os.Stat(s.path); err != nil || info.Size() != page || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// What a dead run had under way, and what was given up, may still land for 2 s. It counts for a second more.
func TestWhatMayStillLand(t *testing.T) {
	for name, ends := range map[string]func(*world, *process){
		"killed":   func(w *world, _ *process) { w.kill(0) },
		"given up": func(_ *world, p *process) { p.Done(pace.Unanswered) },
	} {
		w := newModel(t, 1, 59) // one request in a second
		one, two := w.begin(Options{Weight: 1}), w.begin(Options{Weight: 1})
		if wait, _ := asks(t, one); wait != 0 {
			t.Fatal(wait)
		}
		w.now += time.Minute
		ends(w, one)
		ended := w.now
		for wait, _ := asks(t, two); wait > 0; wait, _ = asks(t, two) {
			w.now += time.Millisecond
		}
		if after := w.now - ended; after < pace.PermitLife+second || after > pace.PermitLife+second+slice+time.Millisecond {
			t.Errorf("%s: the next request goes after %s", name, after)
		}
	}
}

// A link in place of the file is refused: what it leads to is not overwritten.
func TestALinkInPlaceOfTheFile(t *testing.T) {
	w := newModel(t, 1, 1200)
	one := w.begin(Options{Weight: 1})
	other := filepath.Join(w.folder, "other")
	must(t, os.WriteFile(other, []byte("kept"), 0o600))
	must(t, os.Remove(one.path))
	must(t, os.Symlink(other, one.path))
	_, _, err := one.Ask()
	if text, _ := os.ReadFile(other); err == nil || string(text) != "kept" {
		t.Errorf("%v, and the other file has %d bytes", err, len(text))
	}
}
