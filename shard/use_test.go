package shard_test

import (
	"errors"
	"slices"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// A spool to count or to cut has the records, fates and samples of one to send, and cannot be
// taken for one.
func TestASpoolForThisProcessHasTheSameRecords(t *testing.T) {
	entries := routed(t)
	enough := 0
	build := func(dir string, use shard.Use) *shard.Spool {
		list := listing([]shard.Exclusion{{Number: entries[3].number, Reason: "opted_out"}, {Number: entries[4].number, Reason: "moved"}})
		s, err := shard.Build(t.Context(), dir, incoming(entries, twoFields, 100), shard.Options{
			Shards: 4, Fields: twoFields, BatchRows: 64, Routes: 3, Duplicates: shard.Last, Exclude: list, Use: use, Enough: func() { enough++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		return closing(t, s)
	}
	sealed := build(t.TempDir(), shard.ToSend)
	defer func() {
		if enough != 1 {
			t.Errorf("the spool to count has enough texts %d times", enough)
		}
	}()
	for _, use := range []shard.Use{shard.ToCut, shard.ToCount} {
		dir := t.TempDir()
		s := build(dir, use)
		if _, err := shard.Open(dir); !errors.Is(err, shard.ErrNotSealed) {
			t.Errorf("use %d: it can be opened: %v", use, err)
		}
		if !slices.Equal(all(t, s.Records()), all(t, sealed.Records())) || !slices.Equal(all(t, s.Rejected()), all(t, sealed.Rejected())) {
			t.Errorf("use %d: the records are others", use)
		}
		if s.Manifest.Sendable != sealed.Manifest.Sendable || s.Manifest.Sendable == 0 {
			t.Errorf("use %d: %d may be sent to, not %d", use, s.Manifest.Sendable, sealed.Manifest.Sendable)
		}
		for lane := range person.Lane(s.Lanes()) {
			readable, whole := s.Readable(lane), s.Positions(lane)
			if use == shard.ToCut && readable != whole || use == shard.ToCount && (readable != 64 || whole <= 64) {
				t.Errorf("use %d: %d of %d positions can be read", use, readable, whole)
			}
			if !sameRecipients(recipients(t, s, lane, 0, readable), recipients(t, sealed, lane, 0, readable)) {
				t.Errorf("use %d: lane %d has others to send to", use, lane)
			}
			var last error
			for _, err := range s.Recipients(lane, 0, whole) {
				last = err
			}
			if (last != nil) != (use == shard.ToCount) { // texts that were not kept are not read as empty
				t.Errorf("use %d: reading all of lane %d ends with %v", use, lane, last)
			}
		}
	}
}
