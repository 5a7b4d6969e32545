package shard_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/shard"
)

// quiet makes sure that nothing which run starts outlives it.
func quiet(t *testing.T, run func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	run()
	for wait := time.Millisecond; runtime.NumGoroutine() > before; wait *= 2 {
		if wait > 2*time.Second {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines before and %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(wait) // a goroutine that has done its work may not have gone yet
	}
}

// A worker that cannot write stops the reader, however much there would be to read.
func TestAWorkerThatFailsStopsTheReader(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	entries := people(t, 5000)
	for _, name := range []string{"shard-000.arrow", "shard-003.arrow", "keys-002.tmp"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink("/dev/full", filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			rounds := 0
			endless := func(yield func(arrow.Record, error) bool) {
				for ; rounds < 10_000; rounds++ {
					for r := range incoming(entries, twoFields, 1000) {
						if !yield(r, nil) {
							return
						}
					}
				}
			}
			quiet(t, func() {
				if _, err := shard.Build(t.Context(), dir, endless, shard.Options{Shards: 4, Fields: twoFields, BatchRows: 100}); !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("a full disk is no error: %v", err)
				}
			})
			if rounds > 100 {
				t.Errorf("%d rounds were read for nothing", rounds)
			}
			unsealed(t, dir)
		})
	}
}

// Whatever ends a build, and wherever: it leaves no goroutine, and gives back every batch
// that it retained.
func TestABuildLeavesNothingBehind(t *testing.T) {
	entries, list := mixed(t)
	for len(entries) < 2000 {
		entries = append(entries, entries...)
	}
	boom := errors.New("the cohort file broke off")
	const each = 100
	batches := (len(entries) + each - 1) / each
	for at := 0; at <= batches; at += 4 {
		for _, how := range []string{"an error", "a cancel", "nothing"} {
			t.Run(fmt.Sprint(how, " at batch ", at), func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
				records := func(yield func(arrow.Record, error) bool) {
					n := 0
					for r := range copied(checked, incoming(entries, twoFields, each)) {
						if n == at && how == "an error" {
							yield(nil, boom)
							return
						}
						if n == at && how == "a cancel" {
							cancel()
						}
						if n++; !yield(r, nil) {
							return
						}
					}
				}
				quiet(t, func() {
					dir := t.TempDir()
					_, err := shard.Build(ctx, dir, records, shard.Options{Shards: 5, Fields: twoFields, BatchRows: 30, Exclude: listing(list)})
					switch {
					case at < batches && how == "an error":
						if !errors.Is(err, boom) {
							t.Errorf("it says %v", err)
						}
					case at < batches && how == "a cancel":
						if !errors.Is(err, context.Canceled) {
							t.Errorf("it says %v", err)
						}
					case err != nil:
						t.Error(err)
					}
					if err != nil {
						unsealed(t, dir)
					}
				})
				checked.AssertSize(t, 0)
			})
		}
	}
}

// copied yields the records with their rows in memory of the allocator.
func copied(to memory.Allocator, records iter.Seq2[arrow.Record, error]) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		for r, err := range records {
			c := inMemoryOf(to, r)
			more := yield(c, err)
			c.Release()
			if !more {
				return
			}
		}
	}
}
