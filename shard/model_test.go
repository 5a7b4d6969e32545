package shard_test

import (
	"cmp"
	"slices"

	"cohort/ingest/person"
	"cohort/shard"
)

// model is the expected content of a spool, computed in the plainest way.
type model struct {
	records    []person.Record      // in the order of the file
	recipients [][]person.Recipient // by shard, with the fields as copies
	positions  []uint32
	count      map[person.Fate]int64
}

// expect judges entries under the rule that the first record of a person counts.
func expect(entries []entry, list []shard.Exclusion, shards int) model {
	return expectBy(shard.First, entries, list, shards)
}

// expectBy judges entries. Of a person's records one counts and the others are
// duplicates; an exclusion, the first of a person, bears on that one alone, and only
// without any does it matter that it was withdrawn.
func expectBy(rule shard.Rule, entries []entry, list []shard.Exclusion, shards int) model {
	m := model{recipients: make([][]person.Recipient, shards), positions: make([]uint32, shards), count: map[person.Fate]int64{}}
	reasons := map[person.NHSNumber]string{}
	for _, e := range slices.Backward(list) {
		reasons[e.Number] = e.Reason
	}
	records := map[person.NHSNumber][]int{}
	for i, e := range entries {
		records[e.number] = append(records[e.number], i)
	}
	counts := map[person.NHSNumber]int{}
	for number, all := range records {
		switch rule {
		case shard.First:
			counts[number] = all[0]
		case shard.Last:
			counts[number] = all[len(all)-1]
		case shard.Latest:
			slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(entries[a].order, entries[b].order) })
			counts[number] = all[len(all)-1]
		}
	}
	words := map[string]string{
		person.CodeDuplicate: map[shard.Rule]string{
			shard.First:  "an earlier record of the file is the same person",
			shard.Last:   "a later record of the file is the same person",
			shard.Latest: "another record of the file is the same person, and more recent, or as recent and later in the file",
		}[rule],
		person.CodeAlreadySent:   "the person was accepted in an earlier run",
		person.CodeInDoubtBefore: "the person is in doubt in an earlier run",
		person.CodeWithdrawn:     "the record says that the person is not to be invited",
	}
	for i, e := range entries {
		row := int64(i + 1)
		r := person.Record{Row: row, File: fileOf(row), Line: lineOf(row), Reference: e.reference}
		if e.number == 0 {
			r.Fate, r.Code, r.Reason, r.Shard = person.Invalid, someCode, someWords, -1
			if e.found != "-" {
				r.Number = e.found
			}
			m.records = append(m.records, r)
			m.count[r.Fate]++
			continue
		}
		r.Number = e.number.Digits()
		r.Shard = shard.Index(e.number, shards)
		r.Lane = person.Lane(r.Shard)
		r.Position = m.positions[r.Shard]
		m.positions[r.Shard]++
		reason, listed := reasons[e.number]
		switch {
		case counts[e.number] != i:
			r.Fate, r.Code = person.Duplicate, person.CodeDuplicate
		case listed:
			r.Fate, r.Code = person.Suppressed, reason
		case e.withdrawn:
			r.Fate, r.Code = person.Suppressed, person.CodeWithdrawn
		}
		if r.Fate != person.Duplicate {
			m.recipients[r.Shard] = append(m.recipients[r.Shard], person.Recipient{
				Row: r.Row, Number: e.number, Position: r.Position, Suppressed: r.Fate == person.Suppressed, Fields: slices.Clone(e.fields),
			})
		}
		if r.Reason = words[r.Code]; r.Reason == "" && r.Code != "" {
			r.Reason = "a suppression list names the person"
		}
		m.records = append(m.records, r)
		m.count[r.Fate]++
	}
	return m
}
