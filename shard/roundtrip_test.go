package shard_test

import (
	"cmp"
	"iter"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
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
				return entry{
					found:     rapid.SampledFrom([]string{"-", "", "99900000", "noughts"}).Draw(t, "found"),
					reference: rapid.SampledFrom([]string{"", "reference-1"}).Draw(t, "reference"),
				}
			}
			e := entry{
				number:    number(t, rapid.SampledFrom(pool).Draw(t, "person")),
				reference: rapid.SampledFrom([]string{"", "", "é", "a reference of the file"}).Draw(t, "reference"),
				order:     rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, 2, math.MaxInt64}).Draw(t, "order"),
				withdrawn: rapid.IntRange(0, 3).Draw(t, "withdrawn") == 0,
			}
			for range fields {
				e.fields = append(e.fields, rapid.StringN(0, 24, 90).Draw(t, "field"))
			}
			return e
		}), 0, 60).Draw(t, "records")
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) shard.Exclusion {
			return shard.Exclusion{
				Number: number(t, rapid.SampledFrom(append(pool, 999_500)).Draw(t, "person")),
				Reason: rapid.SampledFrom([]string{person.CodeAlreadySent, person.CodeInDoubtBefore, person.CodeWithdrawn, "opted_out", "moved"}).Draw(t, "reason"),
			}
		}), 0, 12).Draw(t, "exclusions")
		shards := rapid.IntRange(1, 6).Draw(t, "shards")
		rule := rapid.SampledFrom([]shard.Rule{shard.First, shard.Last, shard.Latest}).Draw(t, "rule")
		o := shard.Options{Shards: shards, Fields: fields, Duplicates: rule, BatchRows: rapid.IntRange(1, 9).Draw(t, "records in a page")}
		if len(list) > 0 {
			o.Exclude = listing(list)
		}
		records := incoming(entries, fields, rapid.IntRange(1, 20).Draw(t, "records in a batch"))
		s := mustBuild(t, dir, cut(records, rapid.Int64Range(0, 3).Draw(t, "cut")), o)
		defer func() { _ = s.Close() }()
		holds(t, s, expectBy(rule, entries, list, shards))

		n := person.Lane(rapid.IntRange(0, shards-1).Draw(t, "shard"))
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

// cut yields every batch in two parts, which share its memory.
func cut(records iter.Seq2[arrow.Record, error], at int64) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		for r := range records {
			middle := min(at, r.NumRows())
			for _, ends := range [][2]int64{{0, middle}, {middle, r.NumRows()}} {
				part := r.NewSlice(ends[0], ends[1])
				more := yield(part, nil)
				part.Release()
				if !more {
					return
				}
			}
		}
	}
}

// holds compares a spool with the model.
func holds(t tb, s *shard.Spool, want model) {
	t.Helper()
	if got := all(t, s.Records()); !slices.Equal(got, want.records) {
		t.Fatalf("the records are\n%+v\nand not\n%+v", got, want.records)
	}
	for _, step := range []int64{1, 7, math.MaxInt64 - 1} {
		if got := ranged(t, s, step); !slices.Equal(got, want.records) {
			t.Fatalf("the records, %d rows at a time, are\n%+v\nand not\n%+v", step, got, want.records)
		}
	}
	people := map[person.NHSNumber][]person.Record{}
	for _, r := range want.records {
		if n, err := person.ParseNHSNumber(r.Number); err == nil {
			people[n] = append(people[n], r)
		}
		if got, found, err := s.At(r.Row); err != nil || found != (r.Shard >= 0) || found && got != r {
			t.Fatalf("row %d is found as %+v, %v, %v", r.Row, got, found, err)
		}
	}
	for n, records := range people {
		got, err := s.Of(n)
		slices.SortFunc(got, func(a, b person.Record) int { return cmp.Compare(a.Row, b.Row) })
		if err != nil || !slices.Equal(got, records) {
			t.Fatalf("a person's records are\n%+v\nand not\n%+v, %v", got, records, err)
		}
	}
	rejected := slices.DeleteFunc(slices.Clone(want.records), func(r person.Record) bool { return r.Fate == "" })
	if got := all(t, s.Rejected()); !slices.Equal(got, rejected) {
		t.Fatalf("the rejected records are\n%+v\nand not\n%+v", got, rejected)
	}
	if s.Lanes() != len(want.positions) {
		t.Fatalf("%d shards, not %d", s.Lanes(), len(want.positions))
	}
	for n, positions := range want.positions {
		if s.Positions(person.Lane(n)) != positions {
			t.Errorf("shard %d has %d positions, not %d", n, s.Positions(person.Lane(n)), positions)
		}
		if got := recipients(t, s, person.Lane(n), 0, positions); !sameRecipients(got, want.recipients[n]) {
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

// ranged collects the records of a spool by ranges of rows, each range put in order.
func ranged(t tb, s *shard.Spool, step int64) (list []person.Record) {
	t.Helper()
	r, err := s.Ranges()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	verdicts := r.Verdicts()
	for end := 1 + step; ; end += step {
		var part []person.Record
		err := r.Below(end, func(p *person.Stretch) error {
			for i, row := range p.Rows {
				v := verdicts[p.Verdicts[i]]
				record := person.Record{
					Row: row, Line: p.Lines[i], File: int(p.Files[i]), Number: person.NHSNumber(p.Numbers[i]).Digits(),
					Fate: v.Fate, Code: v.Code, Reason: v.Reason, Shard: p.Shard, Lane: p.Lane(i), Position: p.Position + uint32(i),
				}
				if p.Reference != nil {
					record.Reference = p.Reference(i)
				}
				part = append(part, record)
			}
			return nil
		}, func(record *person.Record) error {
			part = append(part, *record)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range part {
			if record.Row >= end || end > 1+step && record.Row < end-step {
				t.Fatalf("row %d is given below %d", record.Row, end)
			}
		}
		slices.SortFunc(part, func(a, b person.Record) int { return int(a.Row - b.Row) })
		list = append(list, part...)
		if end > s.Manifest.Records {
			return list
		}
	}
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
			n := person.Lane(reader % 2)
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
