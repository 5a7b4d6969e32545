package shard_test

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
	"cohort/shard"
)

// number makes a valid NHS number that was never issued. It begins with 999 and n, or with the
// next digits that have a check digit.
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
	number    person.NHSNumber // 0 when invalid
	found     string           // of an invalid record; "-" for none
	reference string           // of the file; "" for none
	order     int64
	withdrawn bool
	route     uint8
	fields    []string
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
		{Name: "file", Type: arrow.PrimitiveTypes.Uint16},
		{Name: "line", Type: arrow.PrimitiveTypes.Int64},
		{Name: "number", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
		text("found"), text("code"), text("reason"), text("reference"),
		{Name: "order", Type: arrow.PrimitiveTypes.Int64},
		{Name: "withdrawn", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "route", Type: arrow.PrimitiveTypes.Uint8},
	}
	for _, f := range fields {
		columns = append(columns, text(f))
	}
	return arrow.NewSchema(columns, nil)
}

// lineOf is the line where a record starts: the cohort has a header line, and a blank line
// behind every third record.
func lineOf(row int64) int64 { return row + 1 + (row-1)/3 }

// fileOf is the file of a record: each file has eleven records.
func fileOf(row int64) int { return int(row-1) / 11 }

// incoming makes record batches of entries, with each entries in a batch.
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
				builder.Field(person.ColumnFile).(*array.Uint16Builder).Append(uint16(fileOf(row)))
				builder.Field(person.ColumnLine).(*array.Int64Builder).Append(lineOf(row))
				if invalid {
					builder.Field(person.ColumnNumber).(*array.Uint64Builder).AppendNull()
				} else {
					builder.Field(person.ColumnNumber).(*array.Uint64Builder).Append(e.number.Uint64())
				}
				text(person.ColumnFound, e.found, !invalid || e.found == "-")
				text(person.ColumnCode, someCode, !invalid)
				text(person.ColumnReason, someWords, !invalid)
				text(person.ColumnReference, e.reference, e.reference == "")
				builder.Field(person.ColumnOrder).(*array.Int64Builder).Append(e.order)
				builder.Field(person.ColumnWithdrawn).(*array.BooleanBuilder).Append(e.withdrawn)
				builder.Field(person.ColumnRoute).(*array.Uint8Builder).Append(e.route)
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

// tb is the part of testing.TB that rapid's tests have too.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// mustBuild builds a spool and opens it.
func mustBuild(t tb, dir string, records iter.Seq2[arrow.Record, error], o shard.Options) *shard.Spool {
	t.Helper()
	built, err := shard.Build(context.Background(), dir, records, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = built.Close() }()
	s, err := shard.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest != built.Digest || !reflect.DeepEqual(s.Manifest, built.Manifest) {
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
func recipients(t tb, s *shard.Spool, n person.Lane, from, to uint32) []person.Recipient {
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

// inMemoryOf is the record with its rows copied to memory of the allocator.
func inMemoryOf(to memory.Allocator, r arrow.Record) arrow.Record {
	rows := array.NewInt64Builder(to)
	defer rows.Release()
	rows.AppendValues(r.Column(person.ColumnRow).(*array.Int64).Int64Values(), nil)
	column := rows.NewArray()
	defer column.Release()
	columns := slices.Clone(r.Columns())
	columns[person.ColumnRow] = column
	return array.NewRecord(r.Schema(), columns, r.NumRows())
}
