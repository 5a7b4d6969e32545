package shard

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
)

// incoming holds the columns of one batch of records from ingest. Several goroutines read it at
// once. So newIncoming already calls what the Arrow library computes at the first call, such as
// the number of nulls.
type incoming struct {
	rows, lines, orders []int64
	files               []uint16
	numbers             []uint64
	routes              []uint8
	withdrawn           *array.Boolean // nil when no record is
	reference           texts
	fields              []texts
}

func newIncoming(r arrow.Record, fields int) *incoming {
	in := &incoming{
		rows:      r.Column(person.ColumnRow).(*array.Int64).Int64Values(),
		files:     r.Column(person.ColumnFile).(*array.Uint16).Uint16Values(),
		lines:     r.Column(person.ColumnLine).(*array.Int64).Int64Values(),
		numbers:   r.Column(person.ColumnNumber).(*array.Uint64).Uint64Values(),
		orders:    r.Column(person.ColumnOrder).(*array.Int64).Int64Values(),
		routes:    r.Column(person.ColumnRoute).(*array.Uint8).Uint8Values(),
		reference: newTexts(r.Column(person.ColumnReference)),
	}
	if c := r.Column(person.ColumnWithdrawn).(*array.Boolean); anySet(c) {
		in.withdrawn = c
	}
	if c := r.Column(person.ColumnReference); c.NullN() > 0 {
		in.reference.nullable = c
	}
	for i := range fields {
		in.fields = append(in.fields, newTexts(r.Column(person.FirstField+i)))
	}
	return in
}

// anySet reports whether a column without nulls has a true value.
func anySet(c *array.Boolean) bool {
	data := c.Data()
	return data.Len() > 0 && bitutil.CountSetBits(data.Buffers()[1].Bytes(), data.Offset(), data.Len()) > 0
}

// texts is one column of texts of an incoming batch.
type texts struct {
	offsets  []int32     // the start of each text, and the end of the last
	bytes    []byte      // from the first text on
	nullable arrow.Array // the column, if some texts are null and that matters
	absent   bool        // all texts are empty, as references mostly are
}

func newTexts(column arrow.Array) texts {
	c := column.(*array.String)
	if c.Len() == 0 {
		return texts{}
	}
	t := texts{offsets: c.ValueOffsets(), bytes: c.ValueBytes()}
	t.absent = len(t.bytes) == 0
	return t
}

// recordBuilder builds the record batches of a shard, one after another in the same memory.
type recordBuilder struct {
	rows, lines []int64
	files       []uint16
	numbers     []uint64
	reference   textBuilder
	fields      []textBuilder
}

// textBuilder builds one column of texts.
type textBuilder struct {
	offsets []int32
	bytes   []byte
	valid   []byte // a bit for each text; empty until the first null
	nulls   int
}

// take appends the records of in at the indices which, with those fields. Column by column is
// several times as fast as record by record.
func (d *recordBuilder) take(in *incoming, fields []texts, which []int32) error {
	d.rows = gather(d.rows, in.rows, which)
	d.files = gather(d.files, in.files, which)
	d.lines = gather(d.lines, in.lines, which)
	d.numbers = gather(d.numbers, in.numbers, which)
	if err := d.reference.take(&in.reference, which); err != nil {
		return err
	}
	if d.fields == nil {
		d.fields = make([]textBuilder, len(fields))
	}
	for f := range d.fields {
		if err := d.fields[f].take(&fields[f], which); err != nil {
			return err
		}
	}
	return nil
}

func gather[T any](to, from []T, which []int32) []T {
	at := len(to)
	to = slices.Grow(to, len(which))[:at+len(which)]
	added := to[at:]
	for k, i := range which {
		added[k] = from[i]
	}
	return to
}

// take appends the texts of from at the indices which.
func (d *textBuilder) take(from *texts, which []int32) error {
	if len(d.offsets) == 0 {
		d.offsets = append(d.offsets, 0)
	}
	if from.nullable != nil {
		d.mark(from.nullable, which)
	}
	at, end := len(d.offsets), len(d.bytes)
	offsets := slices.Grow(d.offsets, len(which))[:at+len(which)]
	if from.absent {
		for i := range which {
			offsets[at+i] = int32(end)
		}
		d.offsets = offsets
		return nil
	}
	// Most texts are short. Moving 32 bytes is several times as fast as copying the exact
	// number. The next text overwrites the surplus.
	const short = 32
	to := d.bytes[:cap(d.bytes)]
	ends, texts := offsets[at:], from.bytes
	for k, i := range which {
		start, stop := int(from.offsets[i]-from.offsets[0]), int(from.offsets[i+1]-from.offsets[0])
		if size := stop - start; end+max(size, short) > len(to) {
			to = slices.Grow(to[:end], max(size, short))
			to = to[:cap(to)]
		}
		if stop-start <= short && start+short <= len(texts) {
			*(*[short / 2]byte)(to[end:]) = *(*[short / 2]byte)(texts[start:])
			*(*[short / 2]byte)(to[end+short/2:]) = *(*[short / 2]byte)(texts[start+short/2:])
		} else {
			copy(to[end:], texts[start:stop])
		}
		end += stop - start
		ends[k] = int32(end)
	}
	if end > math.MaxInt32 {
		return fmt.Errorf("spool: the texts of one column are longer than 2 GiB in %d records", len(offsets)-1)
	}
	d.offsets, d.bytes = offsets, to[:end]
	return nil
}

// mark clears the bits of null texts.
func (d *textBuilder) mark(column arrow.Array, which []int32) {
	at := len(d.offsets) - 1
	d.grow(at + len(which))
	if column.NullN() == column.Len() {
		bitutil.SetBitsTo(d.valid, int64(at), int64(len(which)), false)
		d.nulls += len(which)
		return
	}
	for n, i := range which {
		if column.IsNull(int(i)) {
			bitutil.ClearBit(d.valid, at+n)
			d.nulls++
		}
	}
}

// grow makes room for n texts, not null.
func (d *textBuilder) grow(n int) {
	for len(d.valid) < bitutil.CeilByte(n)/8 {
		d.valid = append(d.valid, 0xFF)
	}
}

// build makes an Arrow record, which borrows the builder's memory until empty.
func (d *recordBuilder) build(schema *arrow.Schema) arrow.Record {
	n := len(d.rows)
	columns := []arrow.Array{
		fixed(arrow.PrimitiveTypes.Int64, n, arrow.Int64Traits.CastToBytes(d.rows)),
		fixed(arrow.PrimitiveTypes.Uint16, n, arrow.Uint16Traits.CastToBytes(d.files)),
		fixed(arrow.PrimitiveTypes.Int64, n, arrow.Int64Traits.CastToBytes(d.lines)),
		fixed(arrow.PrimitiveTypes.Uint64, n, arrow.Uint64Traits.CastToBytes(d.numbers)),
		d.reference.array(n),
	}
	for f := range d.fields {
		columns = append(columns, d.fields[f].array(n))
	}
	return array.NewRecord(schema, columns, int64(n))
}

// texts takes the fields out of the builder.
func (d *recordBuilder) texts() []*array.String {
	all := make([]*array.String, len(d.fields))
	for f := range d.fields {
		all[f] = d.fields[f].array(len(d.rows)).(*array.String)
	}
	d.fields = nil
	return all
}

func fixed(t arrow.DataType, n int, bytes []byte) arrow.Array {
	return array.MakeFromData(array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(bytes)}, nil, 0, 0))
}

func (d *textBuilder) array(n int) arrow.Array {
	var valid *memory.Buffer
	if d.nulls > 0 {
		d.grow(n)
		valid = memory.NewBufferBytes(d.valid)
	}
	offsets := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(d.offsets))
	return array.NewStringData(array.NewData(arrow.BinaryTypes.String, n, []*memory.Buffer{valid, offsets, memory.NewBufferBytes(d.bytes)}, nil, d.nulls, 0))
}

func (d *recordBuilder) empty() {
	d.rows, d.files, d.lines, d.numbers = d.rows[:0], d.files[:0], d.lines[:0], d.numbers[:0]
	d.reference.empty()
	for f := range d.fields {
		d.fields[f].empty()
	}
}

func (d *textBuilder) empty() {
	d.offsets, d.bytes, d.valid, d.nulls = d.offsets[:0], d.bytes[:0], d.valid[:0], 0
}
