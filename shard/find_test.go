package shard_test

import (
	"os"
	"path/filepath"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// A part of a spool is compared with its digest before it is read, and the rest is left alone.
func TestOpenPart(t *testing.T) {
	entries := people(t, 200)
	entries = append(entries, entry{found: " 999-012 3456"}, entry{found: number(t, 700_000).Digits() + " "})
	dir := t.TempDir()
	built := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 50), shard.Options{Shards: 4, Fields: twoFields, BatchRows: 8}))
	const damaged = 2
	path := filepath.Join(dir, built.Manifest.Shards[damaged].File)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := shard.OpenPart(dir)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	for row, e := range entries[:200] {
		found, err := s.Of(e.number)
		if shard.Index(e.number, 4) == damaged {
			if _, _, err2 := s.At(int64(row + 1)); err == nil || err2 == nil {
				t.Errorf("row %d is read from a damaged shard", row+1)
			}
			continue
		}
		if err != nil || len(found) != 1 || found[0].Row != int64(row+1) {
			t.Errorf("row %d: %+v, %v", row+1, found, err)
		}
	}
	if found, err := s.Of(number(t, 700_000)); err == nil && (len(found) != 1 || found[0].Fate != person.Invalid) {
		t.Errorf("an invalid record is found as %+v, %v", found, err)
	}
	for p, err := range s.Recipients(damaged, 0, 1) {
		if err == nil {
			t.Errorf("%v is read from a damaged shard", p)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "verdicts.arrow"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := shard.OpenPart(dir); err == nil {
		t.Error("a spool with damaged verdicts is opened")
	}
}
