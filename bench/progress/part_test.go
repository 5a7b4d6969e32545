package progress

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine/journal"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryPartFindsWhatItSaidWasDurable(t *testing.T) {
	for _, p := range parts {
		if p.peer != nil {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			task := Task{Part: p.name, Folder: t.TempDir(), Span: 30 * time.Millisecond, Messages: 20_000}
			if p.prepare != nil {
				task.Prepare = true
				_, err := task.Run(t.Context())
				must(t, err)
				task.Prepare = false
			}
			r, err := task.Run(t.Context())
			must(t, err)
			if r.Messages == 0 || r.Found != r.Messages {
				t.Errorf("%d of %d messages were found", r.Found, r.Messages)
			}
			batches := r.Messages / int64(max(1, p.group))
			switch {
			case p.kind == writing && p.waiting == 0 && p.group > 0:
				if r.Syncs != 2*batches {
					t.Errorf("%d batches were made durable by %d fsyncs", batches, r.Syncs)
				}
				if r.Bytes < 28*r.Messages {
					t.Errorf("%d messages with ids of 27 letters have %d bytes", r.Messages, r.Bytes)
				}
			case p.waiting > 0 && (r.Syncs == 0 || r.Syncs > r.Messages):
				t.Errorf("%d messages were made durable by %d fsyncs", r.Messages, r.Syncs)
			case p.kind == sending && (len(r.Pairs) < fewestPairs || r.Syncs == 0):
				t.Errorf("%d pairs, %d fsyncs", len(r.Pairs), r.Syncs)
			}
		})
	}
}

// A log that has lost its end is one that lost messages, and not a smaller log.
func TestMessagesThatAreLostAreNotFound(t *testing.T) {
	task := Task{Part: "replay", Folder: t.TempDir(), Messages: 20_000, Prepare: true}
	_, err := task.Run(t.Context())
	must(t, err)
	segment := filepath.Join(task.Folder, logFolder, "0000000000000001.log")
	info, err := os.Stat(segment)
	must(t, err)
	must(t, os.Truncate(segment, info.Size()-1))
	for name, want := range map[string]int64{"replay": 19_000, "replay-bytes": 19_000} {
		task.Part, task.Prepare = name, false
		r, err := task.Run(t.Context())
		must(t, err)
		if r.Messages != 20_000 || r.Found != want {
			t.Errorf("%s: %d of %d messages were found", name, r.Found, r.Messages)
		}
	}
}

func TestADiskCountsOrForgets(t *testing.T) {
	for _, forgetful := range []bool{false, true} {
		on := newDisk(forgetful)
		log, err := journal.Open(filepath.Join(t.TempDir(), "log"), runID, journal.Options{FS: on}, nil)
		must(t, err)
		before := on.syncs.Load()
		for range 3 {
			must(t, log.Commit(1, []byte("record")))
		}
		if got := on.syncs.Load() - before; got != map[bool]int64{false: 3, true: 0}[forgetful] {
			t.Errorf("forgetful %v: three commits were %d fsyncs", forgetful, got)
		}
		must(t, log.Close())
	}
}

// Nothing but the benchmarks may open a progress log on another filesystem than the
// operating system's, so that no flag and no campaign can ask for a log without fsync.
func TestNoRunIsOpenedOnAnotherFilesystem(t *testing.T) {
	root := filepath.Join("..", "..")
	var users []string
	must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range []string{"OpenProgressLogOn", "journal.OS", "journal.FS"} {
			if strings.Contains(string(text), name) {
				short, _ := filepath.Rel(root, path)
				users = append(users, name+" "+filepath.ToSlash(filepath.Dir(short)))
			}
		}
		return err
	}))
	slices.Sort(users)
	want := []string{"OpenProgressLogOn bench/dispatch", "OpenProgressLogOn bench/progress", "OpenProgressLogOn engine", "journal.FS bench/dispatch", "journal.FS bench/progress", "journal.FS engine", "journal.OS bench/dispatch", "journal.OS bench/progress"}
	if users = slices.Compact(users); !slices.Equal(users, want) {
		t.Errorf("they are named in %q, and may be in %q", users, want)
	}
}

func TestTheServerAnswersEveryMessageOfABatch(t *testing.T) {
	reference := func(digit string) string { return strings.Repeat(digit, 36) }
	body := `{"data":{"attributes":{"messageBatchReference":"` + reference("b") + `","messages":[` +
		`{"messageReference":"` + reference("1") + `"},{"messageReference":"` + reference("2") + `"}]}}}`
	var got struct {
		Data struct {
			Attributes struct {
				MessageBatchReference string
				Messages              []struct{ MessageReference, ID string }
			}
		}
	}
	must(t, json.Unmarshal(created([]byte(body)), &got))
	a := got.Data.Attributes
	if a.MessageBatchReference != reference("b") || len(a.Messages) != 2 || a.Messages[1].MessageReference != reference("2") || len(a.Messages[1].ID) != 27 || a.Messages[0].ID == a.Messages[1].ID {
		t.Errorf("got %+v", a)
	}
}
