package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cohort/engine"
	"cohort/engine/plan"
)

// evening is a night's batches written to a real folder as parts.
func evening(t *testing.T) (n *night, folder string) {
	folder = filepath.Join(t.TempDir(), "files")
	n = newNight(t)
	n.sink = New(Options{Folder: folder, Layout: n.sink.o.Layout, Limits: n.sink.o.Limits})
	var all sync.WaitGroup
	for i := range n.forms {
		all.Go(func() {
			if a := n.sink.Send(t.Context(), &engine.Request{Reference: n.forms[i].Reference, Body: n.bodies[i]}); a.Reply != engine.Accepted || !a.NoIDs || a.IDs != nil {
				t.Errorf("%+v", a)
			}
		})
	}
	all.Wait()
	return n, folder
}

func (n *night) join(t *testing.T, again Again) (*Manifest, error) {
	return n.sink.Join(t.Context(), testRun.References(), "night", n.forms, nil, again)
}

// again renders batches as cmd does.
func (n *night) again(f *plan.AcceptedForm) ([]byte, error) {
	for i := range n.forms {
		if n.forms[i].Reference == f.Reference {
			return n.bodies[i], nil
		}
	}
	return nil, errors.New("no such batch")
}

func TestFilesAreCutAndKeptFromOthers(t *testing.T) {
	n, folder := evening(t)
	m, err := n.join(t, nil)
	must(t, err)
	var names []string
	for _, f := range m.Files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name))
		must(t, err)
		if int64(len(text)) != f.Bytes || strings.Count(string(text), lineEnd) != f.Messages+1 || f.Messages > 7 {
			t.Errorf("%s has %d bytes and %d lines; the manifest says %d and %d", f.Name, len(text), strings.Count(string(text), lineEnd), f.Bytes, f.Messages)
		}
		names = append(names, f.Name, f.Control.Name)
	}
	if got := strings.Join(names, " "); got != "night-001.dat night-001.ctl night-002.dat night-002.ctl night-003.dat night-003.ctl" {
		t.Error(got)
	}
	if m.Files[0].Control.Headers.LocalID == m.Files[1].Control.Headers.LocalID {
		t.Error("two files have one reference")
	}
	must(t, filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	}))
	if left, _ := os.ReadDir(n.sink.parts()); len(left) > 0 {
		t.Errorf("parts are left: %v", left)
	}
	byBytes := newNight(t)
	byBytes.sink.o.Limits = Limits{Messages: 1000, Bytes: 300}
	for _, f := range byBytes.sink.layOut(testRun.References(), "night", byBytes.forms, nil).Files {
		if f.Bytes > 300 {
			t.Errorf("a file of %d bytes where 300 are the most", f.Bytes)
		}
	}
}

func TestPartsOutsideTheLogAreIgnored(t *testing.T) {
	undisturbed, whole := evening(t)
	_, err := undisturbed.join(t, nil)
	must(t, err)
	n, folder := evening(t)
	must(t, os.WriteFile(filepath.Join(n.sink.parts(), testRun.References().Batch(9, 9, 9, 9).String()+partExtension), []byte("replaced\r\n"), 0o600))
	must(t, os.WriteFile(n.sink.part(n.forms[1].Reference), []byte(strings.ToUpper(string(n.bodies[1]))), 0o600))
	must(t, os.Remove(n.sink.part(n.forms[2].Reference)))
	if _, err := n.join(t, nil); err == nil || !strings.Contains(err.Error(), "missing or changed") {
		t.Errorf("changed parts were joined: %v", err)
	}
	if _, err := n.join(t, func(*plan.AcceptedForm) ([]byte, error) { return []byte("other"), nil }); !errors.Is(err, plan.ErrChanged) {
		t.Errorf("a part was replaced by something else: %v", err)
	}
	_, err = n.join(t, n.again)
	must(t, err)
	for _, name := range []string{"night-001.dat", "night-002.dat", "night-003.dat", "night-003.ctl", manifestFile} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		must(t, err)
		if got, _ := os.ReadFile(filepath.Join(folder, name)); string(got) != string(want) {
			t.Errorf("%s is another than of an undisturbed night", name)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	n, folder := evening(t)
	mine := filepath.Join(folder, "night-002.dat")
	must(t, os.WriteFile(mine, []byte("somebody's"), 0o600))
	if _, err := n.join(t, n.again); !errors.Is(err, ErrOther) {
		t.Errorf("another file stands there: %v", err)
	}
	if text, _ := os.ReadFile(mine); string(text) != "somebody's" {
		t.Error("it was overwritten")
	}
	must(t, os.Remove(mine))
	_, err := n.join(t, n.again)
	must(t, err)

	// A file that was taken away to be sent is not written again, whatever parts come back.
	must(t, os.Remove(mine))
	_ = n.sink.Send(t.Context(), &engine.Request{Reference: n.forms[0].Reference, Body: n.bodies[0]})
	_, err = n.join(t, n.again)
	must(t, err)
	if _, err := os.Stat(mine); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that was taken away was written again: %v", err)
	}
	// A file that is still there must be unchanged.
	must(t, os.WriteFile(filepath.Join(folder, "night-001.ctl"), []byte("edited"), 0o600))
	if _, err := n.join(t, n.again); err == nil || !strings.Contains(err.Error(), "night-001.ctl was changed") {
		t.Errorf("a changed control file: %v", err)
	}
	// The manifest belongs to one set of accepted batches.
	n.forms = n.forms[1:]
	if _, err := n.join(t, n.again); !errors.Is(err, ErrOther) {
		t.Errorf("a manifest of other batches: %v", err)
	}
}

func TestWritesThatFailStopTheRun(t *testing.T) {
	n, folder := evening(t)
	must(t, os.RemoveAll(folder))
	must(t, os.WriteFile(folder, nil, 0o600)) // no folder can be made
	fresh := New(n.sink.o)
	a := fresh.Send(t.Context(), &engine.Request{Reference: n.forms[0].Reference, Body: n.bodies[0]})
	if a.Reply != engine.Unsent || a.Code != codeNotWritten || !strings.Contains(a.Halt, "the files cannot be written") {
		t.Errorf("%+v", a)
	}
	if fresh.Check(t.Context()) == nil {
		t.Error("a place that cannot be written to was found good")
	}
	// After the rename, the part may be there after a power cut.
	d := newMemory(t)
	n.sink.disk, n.sink.ready, d.left = d, false, 6 // two folders, create, write, sync, rename
	if a := n.sink.Send(t.Context(), &engine.Request{Reference: n.forms[0].Reference, Body: n.bodies[0]}); a.Reply != engine.Unknown || a.Code != codeNotSynced {
		t.Errorf("%+v", a)
	}
	// The rename itself may be on disk though it failed.
	d = newMemory(t)
	n.sink.disk, n.sink.ready, d.left = d, false, 5
	if a := n.sink.Send(t.Context(), &engine.Request{Reference: n.forms[0].Reference, Body: n.bodies[0]}); a.Reply != engine.Unknown {
		t.Errorf("%+v", a)
	}
}

// Between the manifest and the names: a changed draft is not revealed, and neither is a file that
// somebody put in its place.
func TestChangedDraftsAreNotRevealed(t *testing.T) {
	n, folder := evening(t)
	m := n.sink.layOut(testRun.References(), "night", n.forms, nil)
	must(t, n.sink.make(t.Context(), m, nil))
	first := filepath.Join(folder, "night-001.dat")
	whole, err := os.ReadFile(temporary(first))
	must(t, err)
	must(t, os.WriteFile(temporary(first), []byte("changed"), 0o600))
	if _, err := n.join(t, nil); err == nil || !strings.Contains(err.Error(), "night-001.dat is missing") {
		t.Errorf("a changed draft: %v", err)
	}
	must(t, os.WriteFile(temporary(first), whole, 0o600))
	must(t, os.WriteFile(first, []byte("somebody's"), 0o600))
	if _, err := n.join(t, nil); !errors.Is(err, ErrOther) {
		t.Errorf("another file in its place: %v", err)
	}
	must(t, os.WriteFile(first, whole, 0o600))
	m, err = n.join(t, nil)
	if err != nil || !m.Whole || len(m.Files) != 3 {
		t.Errorf("%+v, %v", m, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*.tmp")); left != nil {
		t.Errorf("drafts are left: %v", left)
	}
}
