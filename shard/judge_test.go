package shard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

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
	if _, err := shard.Build(t.Context(), dir, incoming(entries, twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list)}); err == nil {
		t.Error("a 255th reason is taken for another")
	}
	unsealed(t, dir)
}

func TestWhichRecordOfAPersonCounts(t *testing.T) {
	a, b := number(t, 10), number(t, 5000)
	at := func(p person.NHSNumber, order int64) entry {
		return entry{number: p, order: order, fields: []string{"", ""}}
	}
	gone := func(p person.NHSNumber, order int64) entry {
		return entry{number: p, order: order, withdrawn: true, fields: []string{"", ""}}
	}
	bad := entry{found: "999", order: 99, withdrawn: true}
	for _, row := range []struct {
		sentence string
		rule     shard.Rule
		entries  []entry
		excluded string   // why a is on a list; "" when it is on none
		want     []string // the code of each record, "" for one to send to
	}{
		{"the first counts when nothing is said", shard.First, []entry{at(a, 1), at(a, 3), at(a, 2)}, "", []string{"", "duplicate", "duplicate"}},
		{"the last counts", shard.Last, []entry{at(a, 1), at(b, 1), at(a, 3), at(a, 2)}, "", []string{"duplicate", "", "duplicate", ""}},
		{"the latest counts wherever it stands", shard.Latest, []entry{at(a, 1), at(a, 3), at(b, 9), at(a, 2)}, "", []string{"duplicate", "", "", "duplicate"}},
		{"of equally recent ones the later counts", shard.Latest, []entry{at(a, 3), at(a, 3), at(a, 1)}, "", []string{"duplicate", "", "duplicate"}},
		{"an order below 0 is an order", shard.Latest, []entry{at(a, -5), at(a, -7)}, "", []string{"", "duplicate"}},
		{"an invalid record displaces nobody", shard.Last, []entry{at(a, 1), bad}, "", []string{"", "bad_number"}},
		{"an invalid record is not more recent", shard.Latest, []entry{at(a, 1), bad}, "", []string{"", "bad_number"}},
		{"who is withdrawn is not sent to", shard.First, []entry{gone(a, 0), at(b, 0)}, "", []string{"withdrawn", ""}},
		{"a withdrawal that does not count is a duplicate", shard.First, []entry{at(a, 0), gone(a, 0)}, "", []string{"", "duplicate"}},
		{"a later withdrawal counts", shard.Last, []entry{at(a, 0), gone(a, 0)}, "", []string{"duplicate", "withdrawn"}},
		{"a withdrawal that was taken back does not count", shard.Latest, []entry{at(a, 1), at(a, 3), gone(a, 2)}, "", []string{"duplicate", "", "duplicate"}},
		{"a list comes before a withdrawal", shard.Last, []entry{at(a, 0), gone(a, 0)}, "deceased_formal", []string{"duplicate", "deceased_formal"}},
		{"a list bears on the record that counts", shard.Latest, []entry{at(a, 1), at(a, 2), at(b, 0), at(a, 0)}, "opted_out", []string{"duplicate", "opted_out", "", "duplicate"}},
		{"a list may itself say withdrawn", shard.First, []entry{at(a, 0), gone(b, 0)}, "withdrawn", []string{"withdrawn", "withdrawn"}},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			var list []shard.Exclusion
			if row.excluded != "" {
				list = []shard.Exclusion{{Number: a, Reason: row.excluded}, {Number: a, Reason: "moved"}}
			}
			s := closing(t, mustBuild(t, t.TempDir(), incoming(row.entries, twoFields, 2), shard.Options{
				Shards: 1, Fields: twoFields, BatchRows: 2, Duplicates: row.rule, Exclude: listing(list),
			}))
			var got []string
			for _, r := range all(t, s.Records()) {
				got = append(got, r.Code)
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%q, not %q", got, row.want)
			}
			holds(t, s, expectBy(row.rule, row.entries, list, 1))
			if s.Manifest.Duplicates != row.rule {
				t.Errorf("the manifest says %s", s.Manifest.Duplicates)
			}
		})
	}
}

func TestAnUnknownRuleIsRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := shard.Build(t.Context(), dir, incoming(people(t, 3), twoFields, 2), shard.Options{Shards: 1, Fields: twoFields, Duplicates: 3}); err == nil || !strings.Contains(err.Error(), "rule 3") {
		t.Errorf("it is taken: %v", err)
	}
	unsealed(t, dir)
}

// A withdrawal needs a reason of its own, beside those of the lists.
func TestAWithdrawalMayBeTheReasonTooMany(t *testing.T) {
	entries := people(t, 254)
	var list []shard.Exclusion
	for i, e := range entries {
		list = append(list, shard.Exclusion{Number: e.number, Reason: strings.Repeat("x", i+1)})
	}
	entries[7].withdrawn = true
	dir := t.TempDir()
	o := shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list[:253])}
	s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 100), o))
	holds(t, s, expect(entries, list[:253], 2))
	o.Exclude = listing(list)
	if _, err := shard.Build(t.Context(), dir, incoming(entries, twoFields, 100), o); err == nil {
		t.Error("a 255th reason is taken for another")
	}
	unsealed(t, dir)
}
