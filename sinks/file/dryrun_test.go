package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cohort/engine"
)

func requests(bodies ...string) iter.Seq2[*engine.Request, error] {
	return func(yield func(*engine.Request, error) bool) {
		for i, b := range bodies {
			r := &engine.Request{Reference: testRun.References().Batch(0, uint32(i), 0, 0), Body: []byte(b), Messages: make([]engine.Reference, i+1)}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestADryRunHoldsEveryRequestByteForByte(t *testing.T) {
	bodies := []string{`{"data": {"x":[1,2 ]}}`, `{"data":"\u00e9<&>\n"}`}
	for _, test := range []struct {
		name string
		rows bool
		open func(io.Reader) (io.Reader, error)
	}{
		{"plain.jsonl", false, func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"rows.jsonl", true, func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"packed.jsonl.gz", false, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"packed.jsonl.zst", false, func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }},
	} {
		path, want := filepath.Join(t.TempDir(), test.name), bodies
		if test.rows {
			want = []string{"a,\"b\"\r\nc\r\n", "9990000018\r\n"}
		}
		must(t, DryRun(path, test.rows, requests(want...)))
		f, err := os.Open(path)
		must(t, err)
		defer func() { _ = f.Close() }()
		if info, _ := f.Stat(); info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", test.name, info.Mode())
		}
		in, err := test.open(f)
		must(t, err)
		text, err := io.ReadAll(in)
		must(t, err)
		lines := bytes.SplitAfter(text, []byte("\n"))
		if len(lines) != len(want)+1 {
			t.Fatalf("%s has %d lines", test.name, len(lines)-1)
		}
		for i, body := range want {
			var line struct {
				Reference string `json:"batch_reference"`
				Messages  int
				Bytes     int
				Body      json.RawMessage
			}
			must(t, json.Unmarshal(lines[i], &line))
			got := string(line.Body)
			if test.rows {
				must(t, json.Unmarshal(line.Body, &got))
			}
			if got != body || line.Bytes != len(body) || line.Messages != i+1 || line.Reference != testRun.References().Batch(0, uint32(i), 0, 0).String() {
				t.Errorf("%s, line %d: %s", test.name, i+1, lines[i])
			}
		}
	}
}

func TestADryRunThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	broken := errors.New("the spool cannot be read")
	err := DryRun(path, false, func(yield func(*engine.Request, error) bool) {
		for r, err := range requests("{}") {
			yield(r, err)
		}
		yield(nil, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := DryRun(path, false, requests("{\n}")); err == nil {
		t.Error("a request of two lines was written")
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("half a dry run is left: %v", left)
	}
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	if err := DryRun(path, false, requests("{}")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Error("a file was overwritten")
	}
}
