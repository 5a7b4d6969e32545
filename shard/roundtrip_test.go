package shard_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"cohort/ingest/person"
	"cohort/shard"
)

// Random cohorts of few people, so that duplicates are many, against a plain model.
func TestASpoolGivesBackEveryRecordOnce(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()

		fields := []string{"given", "town", "nurse"}[:rapid.IntRange(0, 3).Draw(t, "fields")]
		pool := rapid.SliceOfN(rapid.IntRange(0, 999_000), 1, 15).Draw(t, "people")
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) entry {
			if rapid.IntRange(0, 4).Draw(t, "valid") == 0 {
				return entry{found: rapid.SampledFrom([]string{"-", "", "99900000", "noughts"}).Draw(t, "found")}
			}
			e := entry{number: number(t, rapid.SampledFrom(pool).Draw(t, "person"))}
			for range fields {
				e.fields = append(e.fields, rapid.StringN(0, 8, 40).Draw(t, "field"))
			}
			return e
		}), 0, 60).Draw(t, "records")
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) shard.Exclusion {
			return shard.Exclusion{
				Number: number(t, rapid.SampledFrom(append(pool, 999_500)).Draw(t, "person")),
				Reason: rapid.SampledFrom([]string{person.CodeAlreadySent, person.CodeInDoubtBefore, "opted_out", "moved"}).Draw(t, "reason"),
			}
		}), 0, 12).Draw(t, "exclusions")
		shards := rapid.IntRange(1, 6).Draw(t, "shards")
		o := shard.Options{Shards: shards, Fields: fields, BatchRows: rapid.IntRange(1, 9).Draw(t, "records in a page")}
		if len(list) > 0 {
			o.Exclude = listing(list)
		}
		s := mustBuild(t, dir, incoming(entries, fields, rapid.IntRange(1, 20).Draw(t, "records in a batch")), o)
		defer func() { _ = s.Close() }()
		holds(t, s, expect(entries, list, shards))

		n := rapid.IntRange(0, shards-1).Draw(t, "shard")
		whole := recipients(t, s, n, 0, s.Positions(n))
		from := rapid.Uint32Range(0, s.Positions(n)).Draw(t, "from")
		to := rapid.Uint32Range(from, s.Positions(n)).Draw(t, "to")
		if parts := slices.Concat(recipients(t, s, n, 0, from), recipients(t, s, n, from, to), recipients(t, s, n, to, s.Positions(n))); !sameRecipients(parts, whole) {
			t.Errorf("shard %d cut at %d and %d is not the whole", n, from, to)
		}
		for _, p := range recipients(t, s, n, from, to) {
			if p.Position < from || p.Position >= to {
				t.Errorf("shard %d from %d to %d yields position %d", n, from, to, p.Position)
			}
		}
	})
}

// holds compares a spool with the model.
func holds(t tb, s *shard.Spool, want model) {
	t.Helper()
	if got := all(t, s.Records()); !slices.Equal(got, want.records) {
		t.Fatalf("the records are\n%+v\nand not\n%+v", got, want.records)
	}
	rejected := slices.DeleteFunc(slices.Clone(want.records), func(r person.Record) bool { return r.Fate == "" })
	if got := all(t, s.Rejected()); !slices.Equal(got, rejected) {
		t.Fatalf("the rejected records are\n%+v\nand not\n%+v", got, rejected)
	}
	if s.Shards() != len(want.positions) {
		t.Fatalf("%d shards, not %d", s.Shards(), len(want.positions))
	}
	for n, positions := range want.positions {
		if s.Positions(n) != positions {
			t.Errorf("shard %d has %d positions, not %d", n, s.Positions(n), positions)
		}
		if got := recipients(t, s, n, 0, positions); !sameRecipients(got, want.recipients[n]) {
			t.Errorf("shard %d yields %v, not %v", n, got, want.recipients[n])
		}
	}
	m := s.Manifest
	got := [5]int64{m.Records, m.Invalid, m.Duplicate, m.Suppressed, m.Sendable}
	count := want.count
	if got != [5]int64{int64(len(want.records)), count[person.Invalid], count[person.Duplicate], count[person.Suppressed], count[""]} {
		t.Errorf("the manifest counts %v", got)
	}
}

func TestWhoIsSentToAndWhoIsNot(t *testing.T) {
	a, b := number(t, 10), number(t, 5000)
	valid := func(p person.NHSNumber) entry { return entry{number: p, fields: []string{"", ""}} }
	bad := entry{found: "999"}
	listed := func(p person.NHSNumber, reasons ...string) (list []shard.Exclusion) {
		for _, r := range reasons {
			list = append(list, shard.Exclusion{Number: p, Reason: r})
		}
		return list
	}
	for _, row := range []struct {
		sentence string
		entries  []entry
		list     []shard.Exclusion
		want     []string // the code of each record, "" for one to send to
	}{
		{"the first of three records of a person is sent", []entry{valid(a), valid(a), valid(a)}, nil, []string{"", "duplicate", "duplicate"}},
		{"an invalid record in front takes nobody's place", []entry{bad, valid(a), valid(a)}, nil, []string{"bad_number", "", "duplicate"}},
		{"two people do not meet", []entry{valid(a), valid(b), valid(b), valid(a)}, nil, []string{"", "", "duplicate", "duplicate"}},
		{"an exclusion bears on the record that would be sent, and no later one takes its place", []entry{valid(a), valid(a)}, listed(a, "opted_out"), []string{"opted_out", "duplicate"}},
		{"an exclusion of somebody else changes nothing", []entry{valid(a)}, listed(b, "opted_out"), []string{""}},
		{"the first of two reasons counts", []entry{valid(a)}, listed(a, "already_sent", "opted_out"), []string{"already_sent"}},
		{"the reasons of others do not matter", []entry{valid(a), valid(b)}, append(listed(b, "moved"), listed(a, "opted_out", "moved")...), []string{"opted_out", "moved"}},
		{"the two pages of a person's records are judged together", []entry{valid(a), valid(b), bad, bad, bad, valid(a)}, nil, []string{"", "", "bad_number", "bad_number", "bad_number", "duplicate"}},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			s := closing(t, mustBuild(t, t.TempDir(), incoming(row.entries, twoFields, 2), shard.Options{Shards: 1, Fields: twoFields, BatchRows: 2, Exclude: listing(row.list)}))
			var got []string
			for _, r := range all(t, s.Records()) {
				got = append(got, r.Code)
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%q, not %q", got, row.want)
			}
		})
	}
}

func TestThereAre254ReasonsAndNotOneMore(t *testing.T) {
	entries := people(t, 255)
	var list []shard.Exclusion
	for i, e := range entries {
		list = append(list, shard.Exclusion{Number: e.number, Reason: fmt.Sprint("reason_", i)})
	}
	s := closing(t, mustBuild(t, t.TempDir(), incoming(entries[:254], twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list[:254])}))
	for i, r := range all(t, s.Records()) {
		if r.Fate != person.Suppressed || r.Code != fmt.Sprint("reason_", i) {
			t.Errorf("record %d: %s %s", r.Row, r.Fate, r.Code)
		}
	}
	for i := range list { // many people for two reasons, which is what a list is
		list[i].Reason = []string{"opted_out", "moved"}[i%2]
	}
	plain := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(slices.Concat(list, list))}))
	if m := plain.Manifest; m.Suppressed != 255 || !slices.Equal(m.Reasons, []string{"opted_out", "moved"}) {
		t.Errorf("%d suppressed for %q", m.Suppressed, m.Reasons)
	}
	for i := range list {
		list[i].Reason = fmt.Sprint("reason_", i)
	}
	dir := t.TempDir()
	if _, _, err := shard.Build(t.Context(), dir, incoming(entries, twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list)}); err == nil {
		t.Error("a 255th reason is taken for another")
	}
	unsealed(t, dir)
}

func TestEmptyShardsAndEmptyCohorts(t *testing.T) {
	bad := entry{found: "x"}
	for _, row := range []struct {
		sentence string
		entries  []entry
		shards   int
	}{
		{"a cohort without a record", nil, 1},
		{"a cohort without a record in many shards", nil, 64},
		{"a cohort with invalid records only", []entry{bad, bad, bad}, 3},
		{"one person in 64 shards", people(t, 1), 64},
		{"fewer people than shards", people(t, 5), 64},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			dir := t.TempDir()
			s := closing(t, mustBuild(t, dir, incoming(row.entries, twoFields, 10), shard.Options{Shards: row.shards, Fields: twoFields}))
			holds(t, s, expect(row.entries, nil, row.shards))
			if err := s.Manifest.Verify(dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// Many pages in each shard, read by many at once: every reader sees the whole, though
// each takes the others' page away.
func TestManyMayReadOneShardAtOnce(t *testing.T) {
	entries := people(t, 600)
	s := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 50), shard.Options{Shards: 2, Fields: twoFields, BatchRows: 7}))
	want := expect(entries, nil, 2)
	var all sync.WaitGroup
	for reader := range 12 {
		all.Go(func() {
			n := reader % 2
			step := uint32(5 + reader)
			var got []person.Recipient
			for from := uint32(0); from < s.Positions(n); from += step {
				for p, err := range s.Recipients(n, from, min(from+step, s.Positions(n))) {
					if err != nil {
						t.Error(err)
						return
					}
					p.Fields = slices.Clone(p.Fields)
					got = append(got, p)
				}
			}
			if !sameRecipients(got, want.recipients[n]) {
				t.Errorf("reader %d saw something else than the shard", reader)
			}
		})
	}
	all.Go(func() {
		n := 0
		for r, err := range s.Records() {
			if err != nil || r != want.records[n] {
				t.Errorf("record %d: %v %v", n+1, r, err)
				return
			}
			n++
		}
		if n != len(want.records) {
			t.Errorf("%d records", n)
		}
	})
	all.Wait()
}

func TestAReaderMayStopEarly(t *testing.T) {
	entries := append(people(t, 40), entry{found: "x"})
	s := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 9), shard.Options{Shards: 3, Fields: twoFields, BatchRows: 4}))
	want := expect(entries, nil, 3)
	for stop := range len(entries) {
		n := 0
		for r, err := range s.Records() {
			if err != nil || r != want.records[n] {
				t.Fatalf("record %d: %v %v", n+1, r, err)
			}
			if n++; n > stop {
				break
			}
		}
	}
	for p := range s.Recipients(0, 0, s.Positions(0)) {
		if p.Row != want.recipients[0][0].Row {
			t.Errorf("the first recipient has row %d", p.Row)
		}
		break
	}
}

// The texts of a recipient outlast the page that they were read from.
func TestTextsOutlastTheirPage(t *testing.T) {
	entries := people(t, 300)
	s := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 50), shard.Options{Shards: 1, Fields: twoFields, BatchRows: 3}))
	texts := map[int64][]string{}
	for p, err := range s.Recipients(0, 0, s.Positions(0)) {
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Fields, entries[p.Row-1].fields) {
			t.Fatalf("row %d has other fields in the loop", p.Row)
		}
		texts[p.Row] = slices.Clone(p.Fields)
	}
	for row, fields := range texts {
		if !slices.Equal(fields, entries[row-1].fields) {
			t.Errorf("row %d has other fields after the loop", row)
		}
	}
}
