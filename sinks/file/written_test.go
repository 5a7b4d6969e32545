package file

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"cohort/engine"
	"cohort/sinks/sinktest"
)

// writer is a sink under test that writes files instead of sending requests.
type writer struct {
	Make     func(folder string) engine.Sink // always the same but for the folder
	Messages int                             // in a request
	Fields   int                             // of a person
	// Part is the name of a request's file in the folder. The file holds the request's bytes alone.
	Part func(engine.Reference) string

	Rows     int       // the length of Failures, so that a lost row is noticed
	Failures []failure // all the ways a write can fail
}

// failure is a way a write can fail, and its classification.
type failure struct {
	Sentence string
	Make     func(folder string) engine.Sink         // a sink that fails in this way
	Before   func(folder, part string) (mend func()) // puts an obstacle there; nil: none is needed
	Reply    engine.Reply                            // Unsent: no file is there; Unknown: there may be one
	Code     string
}

// run runs the suite. Afterwards nothing of it runs on and no file is open.
func (w writer) run(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("bytes", w.bytes)
	t.Run("room", func(t *testing.T) { sinktest.Room(t, w.Make(""), w.Fields) })
	t.Run("replays", w.replays)
	t.Run("cancelled", w.cancelled)
	t.Run("failures", w.failures)
	goleak.VerifyNone(t, before)
}

func (w writer) request(sink engine.Sink, batch uint32) *engine.Request {
	return sinktest.NewRequest(sink, batch, int(batch)*w.Messages, w.Messages, w.Fields)
}

// folder makes a folder, and checks in the end that none of its files is open.
func (w writer) folder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "files")
	t.Cleanup(func() {
		open, _ := os.ReadDir("/proc/self/fd") // empty on systems without such a folder
		for _, fd := range open {
			if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, folder+"/") {
				t.Errorf("%s is still open", to)
			}
		}
	})
	return folder
}

// bytes: the same messages become the same bytes, at any time and in any process.
func (w writer) bytes(t *testing.T) {
	sink, other := w.Make(w.folder(t)), w.Make("")
	want := w.request(sink, 3).Body
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, sink := range []engine.Sink{sink, other} {
				if got := w.request(sink, 3).Body; !bytes.Equal(got, want) {
					t.Errorf("the same messages are\n%s\nand\n%s", want, got)
				}
			}
		})
	}
	all.Wait()
	if bytes.Equal(w.request(sink, 4).Body, want) {
		t.Error("other messages are the same bytes")
	}
	p := sinktest.Person(5, w.Fields)
	m := sinktest.TheRun.References().Message(p.Row)
	prefix := []byte("before, ")
	if got := sink.AppendMessage(prefix, m, &p); !bytes.Equal(got[len(prefix):], sink.AppendMessage(nil, m, &p)) {
		t.Error("what stands before a message changes it")
	}
}

// replays: a request that is written again, by this process or the next, is there once.
// Requests that are written at the same time do not disturb each other.
func (w writer) replays(t *testing.T) {
	folder := w.folder(t)
	sink := w.Make(folder)
	var requests []*engine.Request
	var all sync.WaitGroup
	for batch := range uint32(8) {
		r := w.request(sink, batch+1)
		requests = append(requests, r)
		all.Go(func() {
			for _, sink := range []engine.Sink{sink, sink, w.Make(folder)} { // a form is sent once at a time
				if a := sink.Send(context.Background(), r); a.Reply != engine.Accepted || !a.NoIDs || a.IDs != nil || a.Halt != "" || a.Code != "" {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	all.Wait()
	w.holds(t, folder, requests...)
}

// cancelled: a cancelled request is written whole, or not at all.
func (w writer) cancelled(t *testing.T) {
	folder := w.folder(t)
	sink := w.Make(folder)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := w.request(sink, 1)
	switch a := sink.Send(ctx, r); a.Reply {
	case engine.Accepted:
		w.holds(t, folder, r)
	case engine.Unsent:
		w.holds(t, folder)
	default:
		t.Errorf("%+v", a)
	}
}

// failures: every failure is classified as the table says, and tells nothing about a person.
// Another write then succeeds.
func (w writer) failures(t *testing.T) {
	t.Logf("%d rows", len(w.Failures))
	if len(w.Failures) != w.Rows {
		t.Errorf("there are %d rows, and %d are expected", len(w.Failures), w.Rows)
	}
	for _, row := range w.Failures {
		t.Run(row.Sentence, func(t *testing.T) {
			folder := w.folder(t)
			sink := row.Make(folder)
			r := w.request(sink, 1)
			before := bytes.Clone(r.Body)
			mend := func() {}
			if row.Before != nil {
				mend = row.Before(folder, filepath.Join(folder, w.Part(r.Reference)))
			}
			a := sink.Send(context.Background(), r)
			if a.Reply != row.Reply || a.Code != row.Code || a.Status != 0 || a.IDs != nil || a.NoIDs || a.Rows != nil {
				t.Errorf("%+v; want reply %d, code %s", a, row.Reply, row.Code)
			}
			if a.Halt == "" || strings.ContainsAny(a.Halt, "\r\n") {
				t.Errorf("the run goes on, or is not told why in one line: %q", a.Halt)
			}
			w.namesNobody(t, fmt.Sprintf("%+v", a))
			mend()
			if row.Reply == engine.Unsent {
				w.holds(t, folder)
			}
			if !bytes.Equal(r.Body, before) {
				t.Error("the request's body was changed")
			}
			if a := w.Make(folder).Send(context.Background(), r); a.Reply != engine.Accepted {
				t.Errorf("and when it is mended: %+v", a)
			}
			w.holds(t, folder, r)
		})
	}
}

// holds checks that a folder holds the files of these requests and nothing else. Only their
// owner may read them.
func (w writer) holds(t *testing.T, folder string, requests ...*engine.Request) {
	t.Helper()
	want := map[string][]byte{}
	for _, r := range requests {
		want[w.Part(r.Reference)] = r.Body
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		body, wanted := want[name]
		if !wanted || !bytes.Equal(text, body) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes and mode %o", name, len(text), info.Mode().Perm())
		}
		w.namesNobody(t, name)
		delete(want, name)
		return err
	})
	if err != nil && (!os.IsNotExist(err) || len(requests) > 0) {
		t.Error(err)
	}
	if len(want) > 0 {
		t.Errorf("%d files are missing", len(want))
	}
}

// namesNobody checks that a text tells nothing about the people of the requests.
func (w writer) namesNobody(t *testing.T, text string) {
	t.Helper()
	for n := range 3 * w.Messages {
		p := sinktest.Person(n+1, w.Fields)
		if strings.Contains(text, p.Number.Digits()) {
			t.Errorf("a person is named: %s", text)
		}
	}
	if strings.Contains(text, "Zo") {
		t.Errorf("a person is named: %s", text)
	}
}
