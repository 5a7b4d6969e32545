package disk

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// holdFor names the lock file that this process, started by a test, is to hold.
const holdFor = "LOCK_TEST_HOLD"

// TestMain lets a test start this binary as another process that holds a lock until
// its standard input ends.
func TestMain(m *testing.M) {
	if path := os.Getenv(holdFor); path != "" {
		l, err := Acquire(path, "")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		_ = l.Release()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// otherProcess starts a process that holds the lock, and returns when it does.
func otherProcess(t *testing.T, path string) (pid int, kill func()) {
	t.Helper()
	binary, err := os.Executable()
	must(t, err)
	c := exec.Command(binary)
	c.Env = append(os.Environ(), holdFor+"="+path)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	gone := false
	kill = func() {
		if !gone {
			gone = true
			_ = c.Process.Kill()
			_ = c.Wait()
			_ = in.Close()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return c.Process.Pid, kill
}

func TestASecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	pid, kill := otherProcess(t, path)
	_, err := Acquire(path, "")
	held := (*HeldError)(nil)
	if !errors.As(err, &held) || held.Holder.PID != pid {
		t.Fatalf("got %v, and process %d holds it", err, pid)
	}
	host, _ := os.Hostname()
	for _, words := range []string{fmt.Sprintf("process %d on %s", pid, host), fmt.Sprintf("wait for it, or on %s: kill -INT %d", host, pid)} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("the error %q does not say %q", err, words)
		}
	}
	if h, ok := LockHolder(path); !ok || h.PID != pid || h.Host != host || h.Since.IsZero() {
		t.Errorf("a look shows %+v, %v", h, ok)
	}
	kill() // without a chance to let go
	if h, ok := LockHolder(path); ok {
		t.Errorf("a dead process holds it: %+v", h)
	}
	l, err := Acquire(path, "")
	must(t, err)
	if h, ok := LockHolder(path); !ok || h.PID != os.Getpid() {
		t.Errorf("a look shows %+v, %v", h, ok)
	}
	must(t, l.Release())
}

func TestALockCanBeTakenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, ok := LockHolder(path); ok {
		t.Error("a file that is not there is held")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a look has made the file")
	}
	for range 3 {
		l, err := Acquire(path, "")
		must(t, err)
		if _, err := Acquire(path, ""); !errors.As(err, new(*HeldError)) {
			t.Errorf("taken twice in one process: %v", err)
		}
		must(t, l.Release())
		if _, ok := LockHolder(path); ok {
			t.Error("what was let go is held")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// LockHolder keeps nobody out, however often it is called.
func TestALookDisturbsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				LockHolder(path)
			}
		}
	}()
	for range 20 {
		l, err := Acquire(path, "")
		must(t, err)
		must(t, l.Release())
	}
	close(stop)
	<-done
}

// Two calls of LockHolder do not take each other for a holder.
func TestTwoWhoLookSeeNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	must(t, os.WriteFile(path, nil, 0o600))
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range 3000 {
				if _, held := LockHolder(path); held {
					t.Error("a look was taken for a holder")
					return
				}
			}
		})
	}
	both.Wait()
}

func TestALockThatCannotBe(t *testing.T) {
	if _, err := Acquire(filepath.Join(t.TempDir(), "missing", "lock"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if got := (&HeldError{}).Error(); !strings.HasPrefix(got, "another process is at work here") {
		t.Errorf("a holder that is not known: %s", got)
	}
}
