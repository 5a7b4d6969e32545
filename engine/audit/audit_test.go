package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/engine/disk"
	"cohort/ingest/person"
)

// appendTo names the folder to which this process, started by a test, appends until it is killed or its standard
// input ends.
const appendTo = "AUDIT_TEST_APPEND"

func TestMain(m *testing.M) {
	perVolume = 7
	dir := os.Getenv(appendTo)
	if dir == "" {
		os.Exit(m.Run())
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for n := 0; ; n++ {
		reason := fmt.Sprintf("%d.%d", os.Getpid(), n)
		head, err := appended(dir, reason)
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(head.Records, reason)
	}
}

func appended(dir, reason string) (Head, error) {
	j, err := Open(dir, "find")
	if err != nil {
		return Head{}, err
	}
	head, err := j.Append(Record{At: time.Now(), By: "ann", Command: "find", Person: j.Pseudonym(9990000018), Reason: reason})
	return head, errors.Join(err, j.Close())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// filled makes a journal with n records.
func filled(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "audit")
	for i := range n {
		head, err := appended(dir, fmt.Sprint("reason ", i+1))
		must(t, err)
		if head.Records != uint64(i+1) {
			t.Fatalf("record %d has the number %d", i+1, head.Records)
		}
	}
	return dir
}

func reasons(t *testing.T, dir string) (all []string) {
	t.Helper()
	_, err := Read(dir, func(n uint64, r Record) error {
		if all = append(all, r.Reason); n != uint64(len(all)) {
			t.Errorf("record %d has the number %d", len(all), n)
		}
		return nil
	})
	must(t, err)
	return all
}

// Records come back in order over several volumes, and the number of a person is in no file.
func TestRecordsAreReadBack(t *testing.T) {
	if head, err := Read(filepath.Join(t.TempDir(), "none"), nil); err != nil || head.Records != 0 {
		t.Errorf("a missing journal: %+v, %v", head, err)
	}
	dir := filled(t, 23)
	for i, reason := range reasons(t, dir) {
		if want := fmt.Sprint("reason ", i+1); reason != want {
			t.Errorf("record %d is %q", i+1, reason)
		}
	}
	if last, err := volumes(dir); err != nil || last != 4 {
		t.Errorf("%d volumes, %v", last, err)
	}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		text, errRead := os.ReadFile(path)
		if strings.Contains(path+string(text), "9990000018") {
			t.Errorf("%s holds the number", path)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return errors.Join(err, errRead)
	}))
}

func TestPseudonyms(t *testing.T) {
	one, other := filled(t, 1), filled(t, 1)
	name := func(dir string, n person.NHSNumber) string {
		j, err := Open(dir, "")
		must(t, err)
		defer func() { must(t, j.Close()) }()
		return j.Pseudonym(n)
	}
	same := name(one, 9990000018)
	if same != name(one, 9990000018) || same == name(one, 9990000026) || same == name(other, 9990000018) || len(same) != 64 {
		t.Error("a pseudonym is not that of one person under one key")
	}
	key := filepath.Join(one, keyFile)
	must(t, os.Chmod(key, 0o640))
	if _, err := Open(one, ""); err == nil {
		t.Error("a key that others can read is used")
	}
	must(t, os.Remove(key))
	if _, err := Open(one, ""); !errors.Is(err, ErrNoKey) {
		t.Errorf("another key is made: %v", err)
	}
	must(t, os.WriteFile(key, []byte("12"), 0o600))
	if _, err := Open(one, ""); err == nil {
		t.Error("a damaged key is used")
	}
}

// Whatever is changed or removed is found, and a broken journal takes no more.
func TestChangesAreFound(t *testing.T) {
	dir := filled(t, 16)
	head, err := Read(dir, nil)
	must(t, err)
	var files []string
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if !e.IsDir() && !slices.Contains([]string{lockFile, keyFile}, e.Name()) {
			files = append(files, path)
		}
		return err
	}))
	if len(files) < 17 {
		t.Fatalf("only %d files", len(files))
	}
	broken := func(what string) {
		t.Helper()
		if now, err := Read(dir, nil); err == nil && now == head {
			t.Errorf("%s: not found", what)
		}
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		must(t, err)
		name, _ := filepath.Rel(dir, path)
		for at := range text {
			if at%37 != 0 && filepath.Base(path) != headFile {
				continue
			}
			text[at] ^= 0x11
			must(t, os.WriteFile(path, text, 0o600))
			broken(fmt.Sprintf("%s: byte %d is changed", name, at))
			text[at] ^= 0x11
		}
		if filepath.Base(path) != headFile {
			must(t, os.Remove(path))
			broken(name + " is removed")
			must(t, os.WriteFile(path, text[:len(text)-1], 0o600))
			broken(name + " is shorter")
		}
		must(t, os.WriteFile(path, text, 0o600))
	}
	if now, err := Read(dir, nil); err != nil || now != head {
		t.Fatalf("the test has not put everything back: %+v, %v", now, err)
	}
	for _, volume := range []uint64{1, 2, 3} {
		must(t, os.Rename(volumePath(dir, volume), volumePath(dir, 99)))
		broken(fmt.Sprintf("volume %d is moved", volume))
		must(t, os.Rename(volumePath(dir, 99), volumePath(dir, volume)))
	}
	must(t, os.RemoveAll(volumePath(dir, 3)))
	if _, err := appended(dir, "more"); !errors.As(err, new(*BrokenError)) {
		t.Errorf("a journal without its last records takes more: %v", err)
	}
}

// The folder of the register remembers the head: a journal that is gone is not begun again in silence.
func TestAMissingEndIsFound(t *testing.T) {
	var broken *BrokenError
	for _, n := range []int{1, 5, 8} {
		dir := filled(t, n)
		last, err := volumes(dir)
		must(t, err)
		segments, err := filepath.Glob(filepath.Join(volumePath(dir, last), "*.log"))
		must(t, err)
		must(t, os.Remove(segments[len(segments)-1]))
		must(t, os.Remove(filepath.Join(dir, headFile)))
		if _, err := appended(dir, "more"); err == nil {
			t.Errorf("%d records: a journal without its last record takes more", n)
		}
		must(t, os.RemoveAll(dir))
		if _, err := Read(dir, nil); !errors.As(err, &broken) || broken.Record != 1 {
			t.Errorf("%d records: a journal that is gone is read: %v", n, err)
		}
		for range 2 {
			if _, err := appended(dir, "more"); !errors.As(err, &broken) || broken.Record != 1 {
				t.Errorf("%d records: a journal that is gone is begun again: %v", n, err)
			}
		}
		must(t, os.Remove(besideFile(dir)))
		if _, err := appended(dir, "more"); err != nil {
			t.Errorf("%d records: no new journal: %v", n, err)
		}
	}
}

// A record in another's place is found although every checksum of its log is right.
func TestAnotherChainIsFound(t *testing.T) {
	one, other := filled(t, 16), filled(t, 16)
	swap := func(volume uint64) {
		from, to := volumePath(other, volume), volumePath(one, volume)
		must(t, os.RemoveAll(to))
		must(t, os.Rename(from, to))
	}
	swap(2)
	if _, err := Read(one, nil); !errors.As(err, new(*BrokenError)) {
		t.Errorf("a volume of another journal is taken: %v", err)
	}
	swap(3)
	if _, err := appended(one, "more"); !errors.As(err, new(*BrokenError)) {
		t.Errorf("a journal with another end takes more: %v", err)
	}
}

// A crash may stop an Append at any step: while a volume is made, in a record, and before the head is written.
func TestTornEnds(t *testing.T) {
	for _, n := range []int{1, 6, 7, 8, 14, 15} {
		dir := filled(t, n)
		head, err := os.ReadFile(filepath.Join(dir, headFile))
		must(t, err)
		_, err = appended(dir, "cut off")
		must(t, err)
		for _, path := range []string{filepath.Join(dir, headFile), besideFile(dir)} { // the heads are a step behind
			must(t, os.WriteFile(path, head, 0o600))
		}
		if got := reasons(t, dir); len(got) != n+1 {
			t.Errorf("%d records of %d", len(got), n+1)
		}
		last, err := volumes(dir)
		must(t, err)
		segments, err := filepath.Glob(filepath.Join(volumePath(dir, last), "*.log"))
		must(t, err)
		path := segments[len(segments)-1]
		text, err := os.ReadFile(path)
		must(t, err)
		for _, cut := range []int{len(text) - 1, len(text) - 100, 93} {
			must(t, os.WriteFile(path, text[:cut], 0o600))
			if got := reasons(t, dir); len(got) != n {
				t.Errorf("%d records of %d, cut at %d", len(got), n, cut)
			}
		}
		must(t, os.WriteFile(path, append(text[:len(text)-30], make([]byte, 40)...), 0o600))
		must(t, disk.MakeFolder(volumePath(dir, max(last, uint64(n)/perVolume+1)))) // empty, if it is a new one
		head2, err := appended(dir, "after the crash")
		must(t, err)
		got := reasons(t, dir)
		if head2.Records != uint64(n+1) || len(got) != n+1 || got[n] != "after the crash" {
			t.Errorf("after the crash: %+v, %q", head2, got)
		}
	}
}

// Several processes append at once, and are killed at any moment: what one was told of is there, in its place.
func TestKilledProcessesAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	binary, err := os.Executable()
	must(t, err)
	var mu sync.Mutex
	told := map[string]string{} // by number
	child := func(ends func(*exec.Cmd, io.Closer)) {
		c := exec.Command(binary)
		c.Env = append(os.Environ(), appendTo+"="+dir)
		in, err := c.StdinPipe()
		if err == nil {
			var out bytes.Buffer
			c.Stdout = &out
			if err = c.Start(); err == nil {
				ends(c, in)
				_ = c.Wait()
			}
			lines := bufio.NewScanner(&out)
			mu.Lock()
			defer mu.Unlock()
			for lines.Scan() {
				n, reason, _ := strings.Cut(lines.Text(), " ")
				if n == "error" || told[n] != "" {
					t.Errorf("%s, and before %s", lines.Text(), told[n])
				}
				told[n] = reason
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 6 {
				child(func(c *exec.Cmd, _ io.Closer) {
					time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
					_ = c.Process.Kill()
				})
			}
		})
	}
	all.Wait()
	got := reasons(t, dir)
	for n, reason := range told {
		i := 0
		_, err := fmt.Sscan(n, &i)
		if must(t, err); i < 1 || i > len(got) || got[i-1] != reason {
			t.Errorf("record %s was %q for its process, and is lost", n, reason)
		}
	}
	if len(told) < 20 {
		t.Errorf("only %d records were told of", len(told))
	}
	t.Logf("%d records, %d told of", len(got), len(told))
}
