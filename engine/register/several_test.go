package register

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// knows lists what the registers in some folders know together.
func knows(t *testing.T, dirs ...string) (all []string) {
	t.Helper()
	r, err := OpenAll(dirs)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	for _, e := range r.Runs() {
		e, _ = r.Run(e.RunID)
		all = append(all, fmt.Sprint(e.RunID, " ", e.State, " ", e.Attempts, "/", e.Revisions, " ", e.Keys))
	}
	slices.Sort(all)
	return all
}

func TestTheFurthestOfSeveralRegistersCounts(t *testing.T) {
	base := t.TempDir()
	a, b := filepath.Join(base, "z"), filepath.Join(base, "b") // named in another order than sorted
	counted := func(id string, state State, attempts, revisions uint64, keys ...string) Entry {
		e := entry(id, "a", state)
		e.Attempts, e.Revisions, e.Keys = attempts, revisions, keys
		return e
	}
	record(t, a, counted("1", Begun, 9, 0, "k"), counted("2", Superseded, 1, 1), counted("only-a", Begun, 0, 0), counted("3", Finished, 5, 5))
	record(t, b, counted("1", Begun, 3, 7, "l"), counted("2", Begun, 4, 0), counted("only-b", Finished, 2, 0), counted("3", Begun, 1, 1))
	must(t, Reached(b, "1", 40, 1))
	want := []string{"1 begun 40/7 [l k]", "2 superseded 4/1 []", "3 finished 5/5 []", "only-a begun 0/0 []", "only-b finished 2/0 []"}
	if got := knows(t, a, b); !slices.Equal(got, want) {
		t.Fatalf("together they know\n%q, want\n%q", got, want)
	}
	// Each has learnt what the other knew, but for what is noted while the run is at work.
	want[0] = "1 begun 9/7 [l k]"
	if got := knows(t, a); !slices.Equal(got, want) {
		t.Errorf("the first knows %q", got)
	}
	before, err := os.ReadFile(filepath.Join(b, File))
	must(t, err)
	knows(t, b, a)
	if after, _ := os.ReadFile(filepath.Join(b, File)); string(after) != string(before) {
		t.Error("a register that was up to the others was written to")
	}

	// Record writes to all registers, and the entry reads back unchanged.
	r, err := OpenAll([]string{a, b})
	must(t, err)
	must(t, r.Record(counted("4", Begun, 1, 0)))
	if others := r.Others("a", "s", "1", nil); len(others) != 5 {
		t.Errorf("the others are %v", others)
	}
	must(t, r.Close())
	for _, dir := range []string{a, b} {
		if got := knows(t, dir); !slices.Contains(got, "4 begun 1/0 []") {
			t.Errorf("%s knows %q", dir, got)
		}
	}
}

// A missing register means storage that is not mounted, if a run was ever registered.
func TestAnUnreachableRegister(t *testing.T) {
	base := t.TempDir()
	here, mount := filepath.Join(base, "here"), filepath.Join(base, "mount")
	there := filepath.Join(mount, "register")
	refused := func(sentence, words string) {
		t.Helper()
		if _, err := OpenAll([]string{here, there}); err == nil || !strings.Contains(err.Error(), there) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", sentence, err)
		}
		if _, err := os.Stat(filepath.Join(there, File)); err == nil {
			t.Errorf("%s: it was made", sentence)
		}
	}
	refused("the mount point is missing", "mount its storage")
	must(t, os.Mkdir(mount, 0o700))
	knows(t, here, there) // new: both are made
	record(t, here, entry("1", "a", Begun))
	must(t, os.Rename(mount, mount+".away"))
	must(t, os.Mkdir(mount, 0o700))
	refused("the place is there and the storage is not", "mkdir -p")
	must(t, os.Mkdir(there, 0o700)) // a person says that it is new
	if got := knows(t, here, there); len(got) != 1 {
		t.Errorf("they know %q", got)
	}
	if got := knows(t, there); len(got) != 1 {
		t.Errorf("the new one knows %q", got)
	}
	must(t, os.RemoveAll(there))
	must(t, os.WriteFile(there, nil, 0o600))
	refused("a file is in its place", "register")
	if told, err := ReachedAll([]string{here, there}, "1", 5, 0); told != 1 || err == nil {
		t.Errorf("%d were told, %v", told, err)
	}
	if got := knows(t, here); !slices.Equal(got, []string{"1 begun 5/0 []"}) {
		t.Errorf("the other knows %q", got)
	}
}
