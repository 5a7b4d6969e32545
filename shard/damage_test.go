package shard_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/shard"
)

func TestVerifyFindsAFlippedByteInEveryFile(t *testing.T) {
	entries, list := mixed(t)
	dir := t.TempDir()
	s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), shard.Options{Shards: 2, Fields: twoFields, BatchRows: 8, Exclude: listing(list)}))
	if err := s.Manifest.Verify(dir); err != nil {
		t.Fatal(err)
	}
	files := []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow"}
	damaged := func(what, name string, text []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Manifest.Verify(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s, %s: %v", name, what, err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range files {
		good, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(good); at += 61 {
			flipped := bytes.Clone(good)
			flipped[at] ^= 1 << (at % 8)
			damaged("a bit is flipped", name, flipped)
		}
		flipped := bytes.Clone(good)
		flipped[len(good)-1] ^= 0x80
		damaged("its last byte is flipped", name, flipped)
		damaged("it is cut", name, good[:len(good)-1])
		damaged("it has grown", name, append(bytes.Clone(good), 0))
		damaged("it is empty", name, nil)
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if err := s.Manifest.Verify(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing: %v", name, err)
		}
		if _, err := shard.Open(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing and the spool opens: %v", name, err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Manifest.Verify(dir); err != nil {
		t.Errorf("everything is back in its place: %v", err)
	}
}

// The Arrow library trusts what it reads: one flipped bit can have it ask for more memory
// than there is, which nothing can catch. So a damaged file must not get that far.
func TestADamagedSpoolDoesNotOpen(t *testing.T) {
	entries, list := mixed(t)
	dir := t.TempDir()
	built := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), shard.Options{Shards: 1, Fields: twoFields, BatchRows: 20, Exclude: listing(list)}))
	for _, name := range []string{"shard-000.arrow", "invalid.arrow", "verdicts.arrow", "manifest.json"} {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(good); at += 3 {
			flipped := bytes.Clone(good)
			flipped[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, flipped, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := shard.Open(dir)
			if err != nil {
				continue
			}
			if name != "manifest.json" || s.Digest == built.Digest { // of a manifest the plan knows the digest
				t.Errorf("%s opens with byte %d flipped", name, at)
			}
			_ = s.Close()
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
