package shard_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// Kept columns reach whoever reads the records by ranges, for every record that has a shard. Messages
// do not see them.
func TestKeptColumnsAreInStretchesAndNotInMessages(t *testing.T) {
	const n = 700
	list, want := people(t, n), map[int64]string{}
	for i := range list {
		icb := fmt.Sprintf("QF%d", i%7)
		list[i].fields = append(list[i].fields, " \t"+icb+"\u00a0")
		switch {
		case i%90 == 5:
			list[i] = entry{found: "x"}
			continue
		case i%90 == 6:
			list[i].withdrawn = true
		case i%90 == 7:
			list[i].number = list[0].number
		}
		want[int64(i+1)] = strings.TrimSpace(list[i].fields[1]) + " " + icb
	}
	columns := person.Texts(twoFields, []string{"town", "icb"})
	o := shard.Options{Shards: 4, Fields: twoFields, Keep: []string{"town", "icb"}, BatchRows: 64}
	dir := t.TempDir()
	kept := closing(t, mustBuild(t, dir, incoming(list, columns, 100), o))

	if got := kept.Manifest; !slices.Equal(got.Fields, twoFields) || !slices.Equal(got.Keep, o.Keep) {
		t.Errorf("the manifest has %q and %q", got.Fields, got.Keep)
	}
	r, err := kept.Ranges()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got := map[int64]string{}
	for end := int64(1); end <= n+1; end += 50 {
		err := r.Below(end, func(s *person.Stretch) error {
			for i, row := range s.Rows {
				got[row] = s.Kept[0](i) + " " + s.Kept[1](i)
			}
			return nil
		}, func(*person.Record) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Below(n+1, func(s *person.Stretch) error { t.Errorf("row %d comes twice", s.Rows[0]); return nil }, func(*person.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for row, values := range want {
		if got[row] != values {
			t.Errorf("row %d has %q, want %q", row, got[row], values)
		}
	}
	if len(got) != len(want) || !slices.Equal(r.Keep(), o.Keep) {
		t.Errorf("%d records of %d have values; the columns are %q", len(got), len(want), r.Keep())
	}

	plain := closing(t, mustBuild(t, t.TempDir(), incoming(list, columns[:2], 100), shard.Options{Shards: 4, Fields: twoFields, BatchRows: 64}))
	for lane := range person.Lane(4) {
		if a, b := recipients(t, kept, lane, 0, kept.Positions(lane)), recipients(t, plain, lane, 0, plain.Positions(lane)); !sameRecipients(a, b) {
			t.Errorf("lane %d has other messages with kept columns", lane)
		}
	}
	// A changed value is a damaged spool, as with a changed field.
	text, err := os.ReadFile(filepath.Join(dir, "shard-000.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "QF3", "QF4", 1)
	if err := os.WriteFile(filepath.Join(dir, "shard-000.arrow"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := shard.Open(dir); err == nil {
		_ = s.Close()
		t.Error("a spool with a changed kept value was opened")
	}
}

// A spool without kept columns is the one that older versions made.
func TestASpoolWithoutKeptColumnsSaysNothingOfThem(t *testing.T) {
	s := closing(t, mustBuild(t, t.TempDir(), incoming(people(t, 9), twoFields, 9), shard.Options{Shards: 1, Fields: twoFields}))
	text, err := json.Marshal(s.Manifest)
	if err != nil || strings.Contains(string(text), "keep") {
		t.Errorf("%s %v", text, err)
	}
	r, err := s.Ranges()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := r.Below(99, func(s *person.Stretch) error {
		if s.Kept != nil {
			t.Error("there are kept columns")
		}
		return nil
	}, func(*person.Record) error { return nil }); err != nil || r.Keep() != nil {
		t.Error(err, r.Keep())
	}
}

// A spool to count has kept columns in memory, behind the fields.
func TestASpoolToCountReadsMessagesBesideKeptColumns(t *testing.T) {
	list := people(t, 300)
	for i := range list {
		list[i].fields = append(list[i].fields, "QF7")
	}
	s, err := shard.Build(t.Context(), t.TempDir(), incoming(list, append(slices.Clip(twoFields), "icb"), 100), shard.Options{
		Shards: 2, Fields: twoFields, Keep: []string{"icb"}, BatchRows: 64, Use: shard.ToCount,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, p := range recipients(t, s, 0, 0, s.Readable(0)) {
		if len(p.Fields) != 2 || p.Fields[0] != "Aÿ "+p.Number.Digits()[3:] {
			t.Fatalf("a record has the fields %q", p.Fields)
		}
	}
}
