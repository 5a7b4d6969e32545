package shard_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
	"cohort/shard"
)

// number makes a valid NHS number of the range that was never issued out of its nine
// leading digits, which are 999 and n, or of the next digits that have a check digit.
func number(t interface{ Fatal(...any) }, n int) person.NHSNumber {
	for body := 999_000_000 + n; body < 1_000_000_000; body++ {
		sum := 0
		for rest, weight := body, 2; rest > 0; rest, weight = rest/10, weight+1 {
			sum += rest % 10 * weight
		}
		if check := (11 - sum%11) % 11; check < 10 {
			return person.NHSNumber(body*10 + check)
		}
	}
	t.Fatal("there is no such number in the range 999")
	return 0
}

// entry is one record of a cohort, before anybody has judged it.
type entry struct {
	number person.NHSNumber // 0 when invalid
	found  string           // of an invalid record; "-" for none
	fields []string
}

const (
	someCode  = person.CodeBadNumber
	someWords = "the NHS number's check digit is wrong"
)

func incomingSchema(fields []string) *arrow.Schema {
	text := func(name string) arrow.Field {
		return arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}
	}
	columns := []arrow.Field{
		{Name: "row", Type: arrow.PrimitiveTypes.Int64},
		{Name: "line", Type: arrow.PrimitiveTypes.Int64},
		{Name: "number", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
		text("found"), text("code"), text("reason"),
	}
	for _, f := range fields {
		columns = append(columns, text(f))
	}
	return arrow.NewSchema(columns, nil)
}

// lineOf is the line on which a record starts: the cohort has a header and a blank line
// behind every third record.
func lineOf(row int64) int64 { return row + 1 + (row-1)/3 }

// incoming lays entries out as package person draws them, so many in a record batch.
func incoming(entries []entry, fields []string, each int) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		builder := array.NewRecordBuilder(memory.DefaultAllocator, incomingSchema(fields))
		defer builder.Release()
		text := func(column int, value string, null bool) {
			b := builder.Field(column).(*array.StringBuilder)
			if null {
				b.AppendNull()
			} else {
				b.Append(value)
			}
		}
		row := int64(0)
		for part := range slices.Chunk(entries, each) {
			for _, e := range part {
				row++
				invalid := e.number == 0
				builder.Field(person.ColumnRow).(*array.Int64Builder).Append(row)
				builder.Field(person.ColumnLine).(*array.Int64Builder).Append(lineOf(row))
				if invalid {
					builder.Field(person.ColumnNumber).(*array.Uint64Builder).AppendNull()
				} else {
					builder.Field(person.ColumnNumber).(*array.Uint64Builder).Append(e.number.Uint64())
				}
				text(person.ColumnFound, e.found, !invalid || e.found == "-")
				text(person.ColumnCode, someCode, !invalid)
				text(person.ColumnReason, someWords, !invalid)
				for i := range fields {
					if invalid {
						text(person.FirstField+i, "", true)
					} else {
						text(person.FirstField+i, e.fields[i], false)
					}
				}
			}
			r := builder.NewRecord()
			more := yield(r, nil)
			r.Release()
			if !more {
				return
			}
		}
	}
}

// listing yields exclusions, as a suppression list does.
func listing(list []shard.Exclusion) iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// model is what a spool must hold, worked out in the plainest way.
type model struct {
	records    []person.Record      // in the order of the file
	recipients [][]person.Recipient // by shard, with the fields as copies
	positions  []uint32
	count      map[person.Fate]int64
}

// expect judges entries: of a person's records the first counts, and an exclusion, the
// first of a person, bears on that one alone.
func expect(entries []entry, list []shard.Exclusion, shards int) model {
	m := model{recipients: make([][]person.Recipient, shards), positions: make([]uint32, shards), count: map[person.Fate]int64{}}
	reasons := map[person.NHSNumber]string{}
	for _, e := range list {
		if _, known := reasons[e.Number]; !known {
			reasons[e.Number] = e.Reason
		}
	}
	words := map[string]string{
		person.CodeDuplicate:     "an earlier record of the file is the same person",
		person.CodeAlreadySent:   "the person was accepted in an earlier run of this campaign",
		person.CodeInDoubtBefore: "the person is in doubt in an earlier run of this campaign",
	}
	seen := map[person.NHSNumber]bool{}
	for i, e := range entries {
		r := person.Record{Row: int64(i + 1), Line: lineOf(int64(i + 1))}
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
		r.Shard = shard.Of(e.number, shards)
		r.Position = m.positions[r.Shard]
		m.positions[r.Shard]++
		reason, listed := reasons[e.number]
		switch {
		case seen[e.number]:
			r.Fate, r.Code = person.Duplicate, person.CodeDuplicate
		case listed:
			r.Fate, r.Code = person.Suppressed, reason
		}
		if !seen[e.number] {
			m.recipients[r.Shard] = append(m.recipients[r.Shard], person.Recipient{
				Row: r.Row, Number: e.number, Position: r.Position, Suppressed: listed, Fields: slices.Clone(e.fields),
			})
		}
		seen[e.number] = true
		r.Reason = words[r.Code]
		m.records = append(m.records, r)
		m.count[r.Fate]++
	}
	return m
}

// tb is what helpers need of a test, be it testing's or rapid's.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// mustBuild builds a spool and opens it.
func mustBuild(t tb, dir string, records iter.Seq2[arrow.Record, error], o shard.Options) *shard.Spool {
	t.Helper()
	m, digest, err := shard.Build(context.Background(), dir, records, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := shard.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest != digest || s.Manifest.Records != m.Records {
		t.Errorf("the spool that was opened is not the one that was built")
	}
	return s
}

func closing(t *testing.T, s *shard.Spool) *shard.Spool {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// all collects a sequence of records.
func all(t tb, records iter.Seq2[person.Record, error]) []person.Record {
	t.Helper()
	var list []person.Record
	for r, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// recipients collects a range of a shard. The slice of a Recipient's fields is lent, so
// it is copied; the texts in it are not, and must stay what they were.
func recipients(t tb, s *shard.Spool, n int, from, to uint32) []person.Recipient {
	t.Helper()
	var list []person.Recipient
	for p, err := range s.Recipients(n, from, to) {
		if err != nil {
			t.Fatal(err)
		}
		p.Fields = slices.Clone(p.Fields)
		list = append(list, p)
	}
	return list
}

func sameRecipients(a, b []person.Recipient) bool {
	return slices.EqualFunc(a, b, func(a, b person.Recipient) bool {
		return a.Row == b.Row && a.Number == b.Number && a.Position == b.Position && a.Suppressed == b.Suppressed && slices.Equal(a.Fields, b.Fields)
	})
}

// people makes a plain cohort without duplicates: two fields, all sendable.
func people(t *testing.T, n int) []entry {
	t.Helper()
	list := make([]entry, 0, n)
	last := person.NHSNumber(0)
	for at := 0; len(list) < n; at++ {
		p := number(t, at)
		if p == last {
			continue
		}
		last = p
		list = append(list, entry{number: p, fields: []string{"Aÿ " + p.Digits()[3:], strings.Repeat("x", len(list)%17)}})
	}
	return list
}

var twoFields = []string{"given", "town"}
