package control

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine/dispatch"
)

func TestASocketHasAPathThatTheKernelTakes(t *testing.T) {
	if got := socketPath("/runs/a"); got != "/runs/a/control.sock" {
		t.Error(got)
	}
	long := "/" + strings.Repeat("a-long-name/", 20)
	if a, b := socketPath(long), socketPath(long+"b"); len(a) > mostSocketPath || a == b || !strings.HasSuffix(a, ".sock") {
		t.Errorf("%s, %s", a, b)
	}
}

func TestAProcessIsFoundUnderAnyNameOfItsFolder(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, strings.Repeat("a-long-name/", 10), "run")
	for _, made := range []string{deep, filepath.Join(dir, "tmp"), filepath.Join(dir, "other")} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(deep, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Snapshot(t.Context(), deep); !errors.Is(err, ErrNobody) {
		t.Errorf("before anybody listens: %v", err)
	}
	at := time.Unix(1_800_000_000, 0).UTC()
	latest := func() *dispatch.Snapshot { return &dispatch.Snapshot{At: at} }
	for _, called := range []string{deep, link} {
		t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
		pulls, end := Serve(called, latest, slog.New(slog.DiscardHandler))
		if pulls == nil {
			t.Fatalf("nobody listens at %s", called)
		}
		t.Setenv("TMPDIR", filepath.Join(dir, "other"))
		for _, name := range []string{deep, link, deep + "/../run"} {
			if now, err := Snapshot(t.Context(), name); err != nil || !now.At.Equal(at) {
				t.Errorf("%s: %v, %v", name, now, err)
			}
		}
		socket, err := socketOf(deep)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Snapshot(t.Context(), deep); err == nil || !strings.Contains(err.Error(), "is not this user's alone") {
			t.Errorf("where others can put a socket, one is spoken to: %v", err)
		}
		t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
		if _, err := listen(deep); err == nil || !strings.Contains(err.Error(), "is not this user's alone") {
			t.Errorf("where others can put a socket, one is made: %v", err)
		}
		if err := os.Chmod(filepath.Dir(socket), 0o700); err != nil {
			t.Fatal(err)
		}
		end()
		left, err := os.ReadDir(deep)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the folder: %v, %v", left, err)
		}
		if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
			t.Errorf("the empty folder of sockets is left behind: %v", err)
		}
	}
}
