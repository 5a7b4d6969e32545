package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(words string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, words)
		return err
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("the file holds %q, %v; want %q", got, err, want)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must(t, WriteFile(path, text("a first text that is longer")))
	holds(t, path, "a first text that is longer")
	must(t, os.WriteFile(path+".tmp", []byte("what a crash left behind, and longer than the next"), 0o644))
	must(t, WriteFile(path, func(w io.Writer) error {
		holds(t, path, "a first text that is longer") // until the last moment
		return text("a second")(w)
	}))
	holds(t, path, "a second")
	broken := errors.New("broken")
	if err := WriteFile(path, func(w io.Writer) error { _ = text("half of")(w); return broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	holds(t, path, "a second")
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	must(t, os.Remove(path))
	must(t, WriteFile(path, text("x")))
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := WriteFile(filepath.Join(dir, "missing", "file"), text("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "folder", "x"), nil, 0o600))
	if err := WriteFile(filepath.Join(dir, "folder"), text("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if _, err := os.Stat(filepath.Join(dir, "folder.tmp")); err == nil {
		t.Error("the temporary file of a failed write was left")
	}
}

func TestMakeFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	must(t, MakeFolder(path))
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	must(t, os.Chmod(path, 0o750))
	must(t, MakeFolder(path))
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeDir|0o750 {
		t.Errorf("a folder that was there has mode %v, %v", info.Mode(), err)
	}
	must(t, WriteFile(filepath.Join(dir, "file"), text("x")))
	if err := MakeFolder(filepath.Join(dir, "file")); !errors.Is(err, os.ErrExist) {
		t.Errorf("where a file is: %v", err)
	}
	if err := MakeFolder(filepath.Join(dir, "missing", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if err := SyncFolder(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("syncing a folder that is not there: %v", err)
	}
}
