package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"cohort/engine/runfolder"
)

// arriving is a stream that calls atEnd at its end, like a pipeline when its other half dies.
type arriving struct {
	io.Reader
	atEnd func()
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if err == io.EOF {
		a.atEnd()
	}
	return n, err
}

func TestStandardInputIsKeptUnchanged(t *testing.T) {
	text := strings.Repeat("nhs_number\n", 100_000)
	for sentence, in := range map[string]io.Reader{
		"in one piece":                 strings.NewReader(text),
		"with its end in the last":     iotest.DataErrReader(strings.NewReader(text)),
		"in pieces and empty readings": iotest.OneByteReader(io.MultiReader(strings.NewReader(text[:11]), iotest.HalfReader(strings.NewReader(text[11:5000])), strings.NewReader(text[5000:]))),
	} {
		p, err := newStdin(t.TempDir())
		if err == nil {
			err = p.Take(t.Context(), in, "send")
		}
		if err != nil {
			t.Fatalf("%s: %v", sentence, err)
		}
		place := filepath.Join(t.TempDir(), runfolder.StdinFile)
		was := p.Path
		if err := p.MoveTo(place); err != nil {
			t.Fatal(err)
		}
		p.Drop() // what has found its place stays
		kept, err := os.ReadFile(place)
		if err != nil || string(kept) != text || p.Digest() != sha256.Sum256(kept) || p.Read.Load() != int64(len(text)) {
			t.Errorf("%s: %d bytes are kept of %d, %v", sentence, len(kept), len(text), err)
		}
		if _, err := os.Stat(was); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the first place still has something: %v", sentence, err)
		}
	}
}

func TestStandardInputWithoutACohort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		broken, stopped := errors.New("broken"), errors.New("a signal")
		for _, test := range []struct {
			sentence string
			in       io.Reader
			is       error
			says     string
		}{
			{"nothing", strings.NewReader(""), nil, "standard input is empty; give the cohort on standard input, as in: zcat cohort.csv.gz | cohort check -c campaign.yaml -"},
			{"a stream that breaks", io.MultiReader(strings.NewReader("nhs_number\n"), iotest.ErrReader(broken)), broken, "standard input cannot be read: broken; give"},
			{"an end that a signal has made", &arriving{strings.NewReader("nhs_number\n"), func() { time.AfterFunc(graceForSignal/2, func() { cancel(stopped) }) }}, stopped, "a signal"},
			{"a stream that never ends, after the signal", neverEnding{t.Context()}, stopped, "a signal"},
		} {
			p, err := newStdin(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			err = p.Take(ctx, test.in, "check")
			if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%s: %v", test.sentence, err)
			}
			p.Drop()
			if _, err := os.Stat(p.Path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: something is left: %v", test.sentence, err)
			}
		}
	})
}

// neverEnding is a stream that blocks until the test ends.
type neverEnding struct{ test context.Context }

func (n neverEnding) Read([]byte) (int, error) {
	<-n.test.Done()
	return 0, io.EOF
}

func TestOnlyLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	mine, err := newStdin(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Drop()
	left, other, folder := filepath.Join(dir, runfolder.StdinPrefix+"1"), filepath.Join(dir, "precious"), filepath.Join(dir, runfolder.StdinPrefix+"2")
	for _, path := range []string{left, other} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	SweepStdin(dir, slog.New(slog.NewTextHandler(&said, nil)))
	SweepStdin(filepath.Join(dir, "nowhere"), slog.New(slog.NewTextHandler(&said, nil)))
	for path, stays := range map[string]bool{mine.Path: true, other: true, folder: true, left: false} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), left) {
		t.Errorf("it says %q", said.String())
	}
}
