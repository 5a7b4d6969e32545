package shard_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/ingest/person"
	"cohort/shard"
)

// unsealed makes sure that a folder counts for nothing and hides nothing.
func unsealed(t *testing.T, dir string) {
	t.Helper()
	if s, err := shard.Open(dir); !errors.Is(err, shard.ErrNotSealed) {
		t.Errorf("the half-made spool opens: %v, %v", s, err)
	}
	tidy(t, dir)
}

// tidy makes sure that no temporary file is left.
func tidy(t *testing.T, dir string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
}

// mixed is a cohort with every kind of record, and a list.
func mixed(t *testing.T) ([]entry, []shard.Exclusion) {
	t.Helper()
	entries := people(t, 40)
	entries = append(entries, entry{found: "x"}, entry{found: "-"}, entries[3], entries[17], entry{found: "y"}, entries[3])
	return entries, []shard.Exclusion{
		{Number: entries[3].number, Reason: "opted_out"}, {Number: entries[9].number, Reason: person.CodeAlreadySent}, {Number: number(t, 900_000), Reason: "moved"},
	}
}

func TestABuildThatIsBrokenOffIsNoSpool(t *testing.T) {
	entries, list := mixed(t)
	const each, shards = 7, 3
	batches := (len(entries) + each - 1) / each
	boom := errors.New("the cohort file broke off")
	options := func() shard.Options {
		return shard.Options{Shards: shards, Fields: twoFields, BatchRows: 3, Exclude: listing(list)}
	}
	// breaking calls the given function before each batch, and at the end.
	breaking := func(before func(batch int) error) iter.Seq2[arrow.Record, error] {
		return func(yield func(arrow.Record, error) bool) {
			n := 0
			for r := range incoming(entries, twoFields, each) {
				if err := before(n); err != nil {
					yield(nil, err)
					return
				}
				if n++; !yield(r, nil) {
					return
				}
			}
			if err := before(n); err != nil {
				yield(nil, err)
			}
		}
	}
	breakingList := func(before func(i int) error) iter.Seq2[shard.Exclusion, error] {
		return func(yield func(shard.Exclusion, error) bool) {
			for i, e := range append(list, shard.Exclusion{}) {
				if err := before(i); err != nil {
					yield(shard.Exclusion{}, err)
					return
				}
				if i == len(list) || !yield(e, nil) {
					return
				}
			}
		}
	}
	dir := t.TempDir() // the same for all: each build finds what the one before left
	again := func(t *testing.T) {
		t.Helper()
		unsealed(t, dir)
		s := mustBuild(t, dir, incoming(entries, twoFields, each), options())
		holds(t, s, expect(entries, list, shards))
		if err := errors.Join(s.Manifest.Verify(dir), s.Close()); err != nil {
			t.Error(err)
		}
		tidy(t, dir)
	}
	broken := func(t *testing.T, want error, ctx context.Context, records iter.Seq2[arrow.Record, error], o shard.Options) {
		t.Helper()
		if s, err := shard.Build(ctx, dir, records, o); !errors.Is(err, want) || s != nil {
			t.Errorf("the broken build says %v", err)
		}
		again(t)
	}

	for at := range batches + 1 {
		broken(t, boom, t.Context(), breaking(func(batch int) error {
			if batch == at {
				return boom
			}
			return nil
		}), options())
		ctx, cancel := context.WithCancel(t.Context())
		broken(t, context.Canceled, ctx, breaking(func(batch int) error {
			if batch == at {
				cancel()
			}
			return nil
		}), options())
		cancel()
	}
	for at := range len(list) + 1 {
		o := options()
		o.Exclude = breakingList(func(i int) error {
			if i == at {
				return boom
			}
			return nil
		})
		broken(t, boom, t.Context(), incoming(entries, twoFields, each), o)
		ctx, cancel := context.WithCancel(t.Context())
		o.Exclude = breakingList(func(i int) error {
			if i == at {
				cancel()
			}
			return nil
		})
		broken(t, context.Canceled, ctx, incoming(entries, twoFields, each), o)
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	broken(t, context.Canceled, ctx, incoming(entries, twoFields, each), options())
}

// A process that is killed tidies nothing up.
func TestWhatAKilledBuildLeftDoesNoHarm(t *testing.T) {
	entries, list := mixed(t)
	dir := t.TempDir()
	for _, name := range []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow", "keys-000.tmp", "listed-001.tmp", "manifest.json.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("half "), 5000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := shard.Open(dir); !errors.Is(err, shard.ErrNotSealed) {
		t.Errorf("half a spool opens: %v", err)
	}
	s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), shard.Options{Shards: 2, Fields: twoFields, BatchRows: 4, Exclude: listing(list)}))
	holds(t, s, expect(entries, list, 2))
	if err := s.Manifest.Verify(dir); err != nil {
		t.Error(err)
	}
	tidy(t, dir)
}

func TestThereIsNoSpoolInAFolderThatIsMissingOrEmpty(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		unsealed(t, dir)
	}
	if _, err := shard.Build(t.Context(), filepath.Join(t.TempDir(), "missing"), incoming(nil, nil, 1), shard.Options{Shards: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a spool in a folder that is not there: %v", err)
	}
}

// Every file in turn stands on a full disk.
func TestAFullDiskMakesNoSpool(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	entries, list := mixed(t)
	for _, name := range []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow", "keys-001.tmp", "listed-000.tmp", "listed-001.tmp", "manifest.json.tmp"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink("/dev/full", filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			o := shard.Options{Shards: 2, Fields: twoFields, BatchRows: 3, Exclude: listing(list)}
			if _, err := shard.Build(t.Context(), dir, incoming(entries, twoFields, 5), o); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("a full disk is no error: %v", err)
			}
			unsealed(t, dir)
			_ = os.Remove(filepath.Join(dir, name))
			o.Exclude = listing(list)
			s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), o))
			holds(t, s, expect(entries, list, 2))
		})
	}
}
