package shard_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/shard"
)

// watched is a context that is asked, now and then, whether it has ended, and lets a test
// look at the folder at each of these moments, and fail there.
type watched struct {
	context.Context
	mu   sync.Mutex
	look func() error
}

// Err is asked on several goroutines.
func (w *watched) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.look()
}

// between calls look before each batch and at the end.
func between(records iter.Seq2[arrow.Record, error], w *watched) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		for r, err := range records {
			if e := w.Err(); e != nil {
				yield(nil, e)
				return
			}
			if !yield(r, err) {
				return
			}
		}
		if err := w.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// While a build replaces an older spool, its folder is never a sealed spool, whenever a kill
// comes: not as it is, and not with the older manifest put back.
func TestAtNoMomentOfABuildIsThereASpool(t *testing.T) {
	entries, list := mixed(t)
	earlier := people(t, 30)
	dir := t.TempDir()
	o := shard.Options{Shards: 6, Fields: twoFields, BatchRows: 3}
	if err := mustBuild(t, dir, incoming(earlier, twoFields, 7), o).Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	w := &watched{Context: t.Context(), look: func() error {
		looks++
		if s, err := shard.Open(dir); !errors.Is(err, shard.ErrNotSealed) {
			t.Errorf("look %d: the half-made spool opens: %v, %v", looks, s, err)
		}
		image := t.TempDir()
		if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(image, "manifest.json"), old, 0o600); err != nil {
			t.Error(err)
		}
		if s, err := shard.Open(image); err == nil {
			t.Errorf("look %d: with the manifest of an earlier build it opens: %v", looks, s)
		}
		return nil
	}}
	o.Exclude = listing(list)
	built, err := shard.Build(w, dir, between(incoming(entries, twoFields, 5), w), o)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, closing(t, built), expect(entries, list, 6))
	if looks < 20 {
		t.Errorf("only %d looks: the test has lost its point", looks)
	}
	s := closing(t, mustOpen(t, dir))
	holds(t, s, expect(entries, list, 6))
}

// Broken off at each of those moments in turn, in a folder that an older spool was in, a
// build leaves none, and the next one is whole.
func TestABuildThatEndsAtAnyMomentLeavesNoSpool(t *testing.T) {
	entries, list := mixed(t)
	boom := errors.New("the plug was pulled")
	dir := t.TempDir()
	whole := false
	ends := 0
	for ; !whole; ends++ {
		for _, broken := range []bool{false, true} {
			o := shard.Options{Shards: 3, Fields: twoFields, BatchRows: 3, Exclude: listing(list)}
			looks := 0
			w := &watched{Context: t.Context(), look: func() error {
				if looks++; broken && looks > ends {
					return boom
				}
				return nil
			}}
			_, err := shard.Build(w, dir, between(incoming(entries, twoFields, 11), w), o)
			if whole = err == nil; whole {
				s := closing(t, mustOpen(t, dir))
				holds(t, s, expect(entries, list, 3))
				continue
			}
			if !broken || !errors.Is(err, boom) {
				t.Fatal(err)
			}
			unsealed(t, dir)
		}
	}
	if ends < 12 {
		t.Errorf("only %d moments: the test has lost its point", ends)
	}
}

// Shards of two builds do not make a spool: whichever of the files are those of the one
// and which those of the other, the manifest of neither is believed.
func TestTheFilesOfTwoBuildsAreNoSpool(t *testing.T) {
	entries, list := mixed(t)
	one, two := t.TempDir(), t.TempDir()
	o := shard.Options{Shards: 2, Fields: twoFields, BatchRows: 8, Exclude: listing(list)}
	_ = closing(t, mustBuild(t, one, incoming(entries, twoFields, 5), o))
	slices.Reverse(entries)
	o.Exclude = listing(list)
	_ = closing(t, mustBuild(t, two, incoming(entries, twoFields, 5), o))
	names := []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow", "manifest.json"}
	for choice := 1; choice < 1<<len(names)-1; choice++ {
		dir := t.TempDir()
		for i, name := range names {
			from := one
			if choice&(1<<i) != 0 {
				from = two
			}
			text, err := os.ReadFile(filepath.Join(from, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := shard.Open(dir); err == nil {
			t.Errorf("files %05b of two builds open as one spool", choice)
		}
	}
}

func mustOpen(t *testing.T, dir string) *shard.Spool {
	t.Helper()
	s, err := shard.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
